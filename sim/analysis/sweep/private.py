"""What privacy costs and what it hides: accuracy, savings and leak by epsilon."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.analysis.look.figures import label, looks, new_figure
from sim.analysis.run.leak import leak
from sim.analysis.sweep.table import Sweep
from sim.analysis.tables import is_run
from sim.experiment.names import SCRATCH

EPSILON = "privacy.epsilon"
PANELS = (
    ("selection_accuracy", "right pLLM chosen (%)", 100.0),
    ("compute_saved", "compute saved, tuning alone (%)", 100.0),
    ("compute_saved_total", "compute saved in all (%)", 100.0),
)
"""Metric of runs.csv, label with its unit, factor from the metric's unit to the label's."""
GUESSES = ("loss", "ratio")
"""Of which the picture has the one that tells most: who attacks picks the better one."""


def leak_by_epsilon(sweep: Sweep) -> pd.DataFrame:
    """Leak over all waves: epsilon, then the columns of leak.csv. Empty where epsilon is not swept, or nobody asked."""
    if EPSILON not in sweep.keys or not all(is_run(folder) for one in sweep.settings for folder in one.folders):
        return pd.DataFrame()
    tables = [leak(*setting.runs).assign(epsilon=setting.values[EPSILON]) for setting in sweep.settings]
    table = pd.concat(tables, ignore_index=True)
    return table[table["wave"].isna()].reset_index(drop=True)


def by_epsilon(sweep: Sweep) -> Figure | None:
    """Accuracy, compute saved and AUC by epsilon, from no privacy to most of it, with intervals."""
    if EPSILON not in sweep.keys:
        return None
    values = sorted(set(sweep.rows[EPSILON].astype(float)), key=lambda epsilon: -epsilon if epsilon else -np.inf)
    figure = new_figure(height_in=5.1)
    panels = figure.subplots(2, 2).ravel()
    rows = sweep.rows.assign(at=sweep.rows[EPSILON].astype(float).map(values.index))
    for axes, (metric, unit, factor) in zip(panels, PANELS, strict=False):
        _draw(axes, sweep, rows, metric, factor)
        axes.set_ylabel(unit)
    if (leaks := leak_by_epsilon(sweep)).empty:
        panels[-1].set_axis_off()
    else:
        some = leaks[leaks["guess"].isin(GUESSES)].reset_index(drop=True)
        mine = some.loc[some.groupby(["strategy", "epsilon"])["auc"].idxmax()]
        _draw(panels[-1], sweep, mine.assign(at=mine["epsilon"].astype(float).map(values.index)), "auc", 1.0)
        panels[-1].axhline(0.5, color="#222222", linewidth=0.8)
        panels[-1].set_ylabel("leak: AUC, better guess")
    for axes in panels[1:3]:
        axes.axhline(0, color="#222222", linewidth=0.8)
    for axes in panels:
        axes.set_xticks(range(len(values)), [f"{value:g}" if value else "none" for value in values])
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.set_xlabel("epsilon of what is uploaded")
    handles, labels = panels[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=6)
    return figure


def _draw(axes: Axes, sweep: Sweep, rows: pd.DataFrame, metric: str, factor: float) -> None:
    """A metric by the column `at`, a line a strategy; where runs differ in other keys, their mean and all intervals."""
    names = [s for s in sweep.strategies if s != SCRATCH and rows.loc[rows["strategy"] == s, metric].notna().any()]
    for i, strategy in enumerate(names):
        by = rows[rows["strategy"] == strategy].groupby("at")
        at = by.agg(mean=(metric, "mean"), low=(f"{metric}_low", "min"), high=(f"{metric}_high", "max"))
        spread = np.nan_to_num(np.abs([at["mean"] - at["low"], at["high"] - at["mean"]]))
        x = at.index.to_numpy(dtype=float) + 0.12 * (i - (len(names) - 1) / 2)
        axes.errorbar(x, factor * at["mean"], yerr=factor * spread, label=label(strategy), elinewidth=0.8, capsize=2,
                      **looks(sweep.strategies)[strategy].plot)  # fmt: skip
