"""What choosing costs against how often it is right, had other LLMs been billed: a table and a chart.

Who is right comes from the LLMs that were really run, and is the same for all that are billed. Only costs differ.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, SymmetricalLogLocator

from sim.analysis.bootstrap import mean_intervals, share_intervals
from sim.analysis.everyone import Everyone
from sim.analysis.look.figures import label, looks, new_figure
from sim.analysis.sweep.rebilled import can_be_rebilled, rebilled
from sim.analysis.sweep.table import Sweep
from sim.analysis.tables import Run
from sim.common.errors import UserError
from sim.experiment.names import ORACLE


class Billed(NamedTuple):
    """LLMs that are billed together: what figures call them, the base LLM, and the summarizer."""

    name: str
    base: str
    summarizer: str


BILLED = (
    Billed("135 M", "smollm2-135m", "smollm2-135m"),
    Billed("360 M", "smollm2-360m", "smollm2-360m"),
    Billed("1 B", "llama-3.2-1b", "llama-3.2-1b"),
    Billed("8 B", "llama-3.1-8b", "llama-3.1-8b"),
)
"""One LLM is base and summarizer, from small to large."""
COSTS = {"tflop": "TFLOP", "minutes": "minutes", "kilojoules": "kJ"}
"""Costs of the table, and their units in figures; minutes and kilojoules with downloads."""
LEAST = 0.5
"""Share of users whose phone must be able to do it for a mean to stand beside those of other strategies."""
PARTS = {"": "value", "_low": "low", "_high": "high"}


def accuracy_and_cost(runs: Sequence[Run], billed: Sequence[Billed] = BILLED) -> pd.DataFrame:
    """A row for each LLM and strategy that chooses, over all replicates' users whose phone can do it.

    Columns: llm, strategy, users, accuracy (percent), tflop, minutes, kilojoules (a user), each with its 95 %
    interval `_low` and `_high`; and for each cost `_best`: no other strategy with that LLM is right as often for less
    of it, or more often for as much. The oracle, which is told the style, takes no part in that, nor does what
    the phones of few users (`LEAST`) can do.
    """
    tables = []
    for one in billed:
        everyone = Everyone(tuple(rebilled(run, one.base, one.summarizer) for run in runs))
        found = everyone.metrics()
        names = [s for s in everyone.strategies if found["selection_accuracy"][s].notna().any()]
        able = found["selection_s"][names].notna().to_numpy()
        seconds, joules = (found[f"selection_{u}"] + found[f"download_{u}"] for u in ("s", "j"))
        costs = {"tflop": found["selection_flops"] / 1e12, "minutes": seconds / 60, "kilojoules": joules / 1e3}
        rows: dict[str, object] = {"llm": one.name, "strategy": names, "users": able.sum(0)}
        right = 100 * found["selection_accuracy"][names].to_numpy(dtype=float)
        share = share_intervals(right / 100, everyone.sample)
        rows |= {f"accuracy{end}": 100 * getattr(share, part) for end, part in PARTS.items()}
        for name, values in costs.items():
            mean = mean_intervals(values[names].to_numpy(dtype=float), everyone.sample, everyone.seed)
            rows |= {f"{name}{end}": getattr(mean, part) for end, part in PARTS.items()}
        table = pd.DataFrame(rows)
        some = table["users"] >= LEAST * len(able)
        accuracy = table["accuracy"].where(some & (table["strategy"] != ORACLE)).to_numpy()
        tables.append(table.assign(**{f"{c}_best": unbeaten(table[c].to_numpy(), accuracy) for c in COSTS}))
    return pd.concat(tables, ignore_index=True)


def unbeaten(cost: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Which points no other beats: costs no more and is right no less often, and is better in one of the two."""
    no_worse = (cost[:, None] <= cost) & (accuracy[:, None] >= accuracy)
    better = (cost[:, None] < cost) | (accuracy[:, None] > accuracy)
    beaten = np.logical_or.reduce(no_worse & better, axis=0)
    return ~beaten & np.isfinite(cost) & np.isfinite(accuracy)


@lru_cache(maxsize=1)
def table_of(sweep: Sweep) -> pd.DataFrame:
    """The table of a sweep of which only replicates differ and in which nobody trains; an empty one of any other."""
    if len(sweep.settings) != 1 or not sweep.replicated:
        return pd.DataFrame()
    runs = sweep.settings[0].runs
    if not all(run.config and run.config.training.cost_only and can_be_rebilled(run) for run in runs):
        return pd.DataFrame()
    try:
        return accuracy_and_cost(runs)
    except UserError:  # work.csv is broken, or a file of the config is gone: the rest of the report stands
        return pd.DataFrame()


def by_llm(sweep: Sweep) -> Figure | None:
    """The chart of a sweep that has the table."""
    return chart(table_of(sweep))


def chart(table: pd.DataFrame) -> Figure | None:
    """Accuracy over each cost: a strategy is a marker, an LLM its size; filled where nothing beats it.

    What the phones of few users (`LEAST`) can do is left out.
    """
    if table.empty:
        return None
    shown = table[table["users"] >= LEAST * table["users"].max()]
    if (table := shown.dropna(subset=["accuracy", "tflop"])).empty:
        return None
    strategies, llms = (list(dict.fromkeys(table[column])) for column in ("strategy", "llm"))
    sizes = dict(zip(llms, np.linspace(3.2, 8.0, len(llms)) if len(llms) > 1 else [6.0], strict=True))
    figure = new_figure(height_in=4.6)
    panels = figure.subplots(1, len(COSTS), sharey=True)
    for axes, (cost, unit) in zip(panels, COSTS.items(), strict=True):
        for strategy, look in looks(strategies).items():
            mine = table[table["strategy"] == strategy]
            axes.plot(mine[cost], mine["accuracy"], color=look.colour, linewidth=0.7, zorder=1)
            for row in mine.to_dict("records"):
                fill = look.colour if row[f"{cost}_best"] else "white"
                across = _ends(row, cost)
                along = _ends(row, "accuracy") if row["llm"] == llms[0] else None  # it is the same for all LLMs
                axes.errorbar(row[cost], row["accuracy"], xerr=across, yerr=along, ecolor=look.colour, elinewidth=0.7,
                              linestyle="none", marker=look.marker, ms=sizes[row["llm"]], mfc=fill, mec=look.colour,
                              mew=0.8)  # fmt: skip
        _logarithmic(axes, table[cost].to_numpy(dtype=float), unit)
    panels[0].set_ylim(-4, 104)
    panels[0].set_ylabel("right pLLM chosen (%)")
    _legend(figure, strategies, sizes)
    return figure


def _ends(row: dict[Hashable, Any], name: str) -> np.ndarray:
    """How far an interval reaches to either side of a value, shape (2, 1)."""
    value, low, high = (float(row[name + end]) for end in PARTS)
    return np.nan_to_num(np.maximum([[value - low], [high - value]], 0))


def _logarithmic(axes: Axes, costs: np.ndarray, unit: str) -> None:
    """A logarithmic axis that has a place for what costs nothing."""
    some = costs[costs > 0]
    low = 10.0 ** np.floor(np.log10(some.min())) if len(some) else 1.0
    axes.set_xscale("symlog", linthresh=low, linscale=0.5)
    axes.set_xlim(-0.3 * low if (costs <= 0).any() else 0.7 * low, 2 * max(costs.max(), low))
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=low))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"{unit} a user to choose")


def _legend(figure: Figure, strategies: Sequence[str], sizes: dict[str, float]) -> None:
    """Strategies by marker, LLMs by size, and what is filled."""
    axes = figure.axes[0]
    entries = [
        axes.plot([], [], linestyle="none", marker=look.marker, color=look.colour, label=label(strategy))[0]
        for strategy, look in looks(strategies).items()
    ]
    grey: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": "#777777"}
    entries += [axes.plot([], [], ms=ms, label=label(f"billed as {llm}"), **grey)[0] for llm, ms in sizes.items()]
    entries += [axes.plot([], [], ms=6, label="none beats it", **grey)[0]]
    entries += [axes.plot([], [], ms=6, mfc="white", label="beaten", **grey)[0]]
    figure.legend(handles=entries, loc="outside upper center", ncols=5)
