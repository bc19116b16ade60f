"""Users who mix styles: steps from one pLLM and from a merge of several, beside what XPerT's authors published."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.analysis.everyone import Everyone
from sim.analysis.look.figures import ERROR_BARS, Look, label, looks, new_figure
from sim.analysis.rules import RESTART
from sim.analysis.summary import by_key
from sim.analysis.sweep.table import Sweep
from sim.analysis.tables import records
from sim.experiment.names import SCRATCH
from sim.published import paper

MIXED_SOURCE = f"{paper().source}; steps to converge, read off a chart and so approximate."
KEY, METRIC, MERGED = "population.styles_per_user", "steps", "xpert_merge"

PUBLISHED = {
    (series.ours[0].strategy, int(point)): 100 * steps / series.saved_of
    for series in paper().of("mixed").series
    for point, steps in series.published.items()
}
"""XPerT's steps as a percentage of those from scratch, by strategy and number of styles."""


def beside_mixed(sweep: Sweep) -> pd.DataFrame:
    """One row for each setting and strategy of a sweep over styles per user that has a merging strategy; else empty.

    Columns: styles, strategy; steps, steps_low, steps_high (measured, rule RESTART, mean and 95 % interval);
    more, more_low, more_high (steps more than the merge's, user by user); share (of the steps from scratch, %),
    published.
    """
    if KEY not in sweep.keys or MERGED not in sweep.strategies:
        return pd.DataFrame()
    rows = []
    for setting in sweep.settings:
        everyone, styles = Everyone(setting.runs), int(setting.values[KEY])
        if not {SCRATCH, MERGED} <= set(everyone.strategies):
            continue
        found = by_key(setting.summary)
        more = {row["strategy"]: row for row in records(everyone.compare(METRIC, MERGED))}  # merge - other, negative
        for strategy in everyone.strategies:
            mine, apart = found[strategy, METRIC], more.get(strategy, {})
            rows.append(
                {
                    "styles": styles,
                    "strategy": strategy,
                    "steps": mine["mean"],
                    "steps_low": mine["low"],
                    "steps_high": mine["high"],
                    "more": -apart.get("mean", float("nan")),
                    "more_low": -apart.get("high", float("nan")),
                    "more_high": -apart.get("low", float("nan")),
                    "share": 100 * mine["mean"] / found[SCRATCH, METRIC]["mean"],
                    "published": PUBLISHED.get((strategy, styles), float("nan")),
                }
            )
    return pd.DataFrame(rows)


def mixed_styles(table: pd.DataFrame) -> Figure | None:
    """Steps of `beside_mixed` as a share of those from scratch, by number of styles: measured here, and published."""
    shown = table[table["published"].notna()] if len(table) else table
    if shown.empty:
        return None
    figure = new_figure(height_in=2.7)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, column, title in ((left, "share", "measured here"), (right, "published", "XPerT, published")):
        _bars(axes, shown, column, looks(list(dict.fromkeys(table["strategy"]))))
        axes.set_title(title)
        axes.set_xlabel("styles that a user mixes")
        axes.axhline(100, color="#7a7a7a", linewidth=0.9)
        axes.grid(axis="x", visible=False)
    left.set_ylabel(f"steps (% of scratch), {RESTART}")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    return figure


def _bars(axes: Axes, shown: pd.DataFrame, column: str, look: Mapping[str, Look]) -> None:
    styles, names = sorted(set(shown["styles"])), list(dict.fromkeys(shown["strategy"]))
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        mine = shown[shown["strategy"] == name].set_index("styles").reindex(styles)
        at = np.arange(len(styles)) + (i - (len(names) - 1) / 2) * width
        hatch = "///" if i else ""
        axes.bar(
            at, mine[column], width * 0.92, color=look[name].colour, hatch=hatch, edgecolor="white", label=label(name)
        )
        if column == "share":
            percent = mine["share"] / mine["steps"].where(mine["steps"] > 0)
            ends = [(mine["steps"] - mine["steps_low"]) * percent, (mine["steps_high"] - mine["steps"]) * percent]
            axes.errorbar(at, mine[column], yerr=np.nan_to_num(ends), fmt="none", **ERROR_BARS)
    axes.set_xticks(range(len(styles)), [str(n) for n in styles])
