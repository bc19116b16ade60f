"""The figures of a sweep. Each function draws one from runs.csv, or returns None where the sweep lacks the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from sim.analysis.look.figures import label, looks, new_figure
from sim.analysis.measures import SHARES
from sim.analysis.rules import RESTART
from sim.analysis.sweep.published import ACCURACY_BY_SIMILARITY
from sim.analysis.sweep.table import Sweep
from sim.experiment.names import SCRATCH

POOL_SIZE, SIMILARITY = "pool.size", "pool.similarity"

Panel = tuple[str, str, float]
"""Metric, label of the axis with its unit, factor from the metric's unit to the label's."""

MAIN: tuple[Panel, ...] = (
    ("compute_saved_total", f"compute saved in all (%), {RESTART}", 100.0),
    ("time_saved_total", f"time saved in all (%), {RESTART}", 100.0),
    ("reached", "users who reach the target (%)", 100.0),
    ("selection_accuracy", "right pLLM chosen (%)", 100.0),
)
SELECTION: tuple[Panel, ...] = (
    ("download_s", "communication (min)", 1 / 60),
    ("selection_s", "computation (min)", 1 / 60),
    ("selection_j", "energy of computation (kJ)", 1e-3),
)


def metrics_by_key(sweep: Sweep, key: str) -> Figure | None:
    """The main metrics over one swept key, a line a strategy."""
    panels = [panel for panel in MAIN if sweep.has(panel[0])]
    if not panels:
        return None
    rows = -(-len(panels) // 2)
    figure = new_figure(height_in=0.5 + 2.3 * rows)
    for axes, panel in zip(figure.subplots(rows, 2, squeeze=False).ravel(), [*panels, None], strict=False):
        if panel is None:
            axes.set_axis_off()
        else:
            draw_lines(axes, sweep, key, panel)
    _legend(figure)
    return figure


def cost_by_pool(sweep: Sweep) -> Figure | None:
    """What choosing costs by size of the pool: communication, computation, energy."""
    names = [s for s in sweep.strategies if s != SCRATCH]
    if POOL_SIZE not in sweep.keys or not names:
        return None
    figure = new_figure(height_in=2.9)
    for axes, panel in zip(figure.subplots(1, 3), SELECTION, strict=True):
        draw_lines(axes, sweep, POOL_SIZE, panel, names)
        axes.set_ylim(bottom=0)
    _legend(figure)
    return figure


def accuracy_by_similarity(sweep: Sweep) -> Figure | None:
    """How often the right pLLM is chosen by similarity, beside what XPerT's authors published."""
    if SIMILARITY not in sweep.keys or not sweep.has("selection_accuracy"):
        return None
    figure = new_figure(width_in=5.2, height_in=3.1)
    axes = figure.subplots()
    draw_lines(axes, sweep, SIMILARITY, ("selection_accuracy", "right pLLM chosen (%)", 100.0))
    published = np.array(list(ACCURACY_BY_SIMILARITY.items()))
    axes.plot(*published.T, "o:", color="#111111", mfc="white", label="XPerT, published")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    return figure


def pareto(sweep: Sweep) -> Figure | None:
    """Cost of choosing (minutes) against accuracy, a point a run; the line joins what no other beats on both."""
    minutes = (sweep.rows["selection_s"] + sweep.rows["download_s"]) / 60
    points = sweep.rows.assign(minutes=minutes, accuracy=100 * sweep.rows["selection_accuracy"])
    points = points.dropna(subset=["minutes", "accuracy"])
    if points.empty:
        return None
    figure = new_figure(height_in=3.6)
    axes = figure.subplots()
    for strategy, look in looks(sweep.strategies).items():
        mine = points[points["strategy"] == strategy]
        if not mine.empty:
            axes.plot(
                mine["minutes"], mine["accuracy"], label=label(strategy), **(look.plot | {"linestyle": "none", "ms": 6})
            )
    best = front(points)
    axes.plot(best["minutes"], best["accuracy"], color="#555555", linewidth=1, zorder=1, label="none is better on both")
    key = sweep.keys[0] if sweep.keys else ""
    for row in best.drop_duplicates(["minutes", "accuracy"]).to_dict("records") if key else ():
        axes.annotate(
            label(f"{key} {row[key]}"), (row["minutes"], row["accuracy"]), xytext=(4, -9), textcoords="offset points",
            fontsize=6.5, color="#555555",
        )  # fmt: skip
    if (points["minutes"] > 0).all() and points["minutes"].max() > 20 * points["minutes"].min():
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(-4, 104)
    axes.set_xlabel("cost of choosing: minutes of downloads and computation on the phone")
    axes.set_ylabel("right pLLM chosen (%)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    return figure


def front(points: pd.DataFrame) -> pd.DataFrame:
    """The rows that no other beats in both `minutes` (fewer) and `accuracy` (more), from cheap to dear."""
    ordered = points.sort_values(["minutes", "accuracy"], ascending=[True, False])
    above = ordered["accuracy"].cummax().shift().fillna(-np.inf)
    return ordered[ordered["accuracy"] > above]


def draw_lines(axes: Axes, sweep: Sweep, key: str, panel: Panel, strategies: Sequence[str] | None = None) -> None:
    """A metric over a key. Runs that differ in other keys are averaged; the bar then spans all their intervals."""
    metric, unit, factor = panel
    places, ticks = _places(sweep.rows[key])
    shown = [
        s for s in strategies or sweep.strategies if sweep.rows.loc[sweep.rows["strategy"] == s, metric].notna().any()
    ]
    span = places.max() - places.min() or 1.0
    dodge = 0.006 * span if ticks is None else 0.5 / len(shown or (0,))  # what coincides must be seen all the same
    for i, strategy in enumerate(shown):
        mine = sweep.rows[sweep.rows["strategy"] == strategy].assign(x=places)
        at = mine.groupby("x").agg(mean=(metric, "mean"), low=(f"{metric}_low", "min"), high=(f"{metric}_high", "max"))
        spread = np.nan_to_num(np.abs([at["mean"] - at["low"], at["high"] - at["mean"]]))
        look = looks(sweep.strategies)[strategy].plot | ({} if ticks is None else {"linestyle": "none"})
        x = at.index.to_numpy(dtype=float) + dodge * (i - (len(shown) - 1) / 2)
        axes.errorbar(x, factor * at["mean"], yerr=factor * spread, label=label(strategy),
                      elinewidth=0.8, capsize=2, **look)  # fmt: skip
    if ticks is None:
        axes.set_xticks(sorted(set(places))) if len(set(places)) <= 8 else None
    else:
        axes.set_xticks(list(ticks.values()), [label(name, 16) for name in ticks], rotation=25, ha="right")
        axes.set_xlim(-0.5, len(ticks) - 0.5)
    if metric in SHARES:
        axes.set_ylim(-4, 104)
    axes.set_xlabel(label(key))
    axes.set_ylabel(unit)


def _places(values: pd.Series) -> tuple[pd.Series, Mapping[str, float] | None]:
    """Where values lie on the axis: numbers where they are, anything else side by side with its name as the tick."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return values.astype(float), None
    ticks = {str(value): float(i) for i, value in enumerate(dict.fromkeys(values))}
    return values.map(lambda value: ticks[str(value)]), ticks


def _legend(figure: Figure) -> None:
    found: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(found.values(), found, loc="outside upper right", ncols=min(len(found), 6))
