"""Minutes of personalising by phone, as a table and as a figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from sim.analysis.look.figures import label, list_downwards, looks, new_figure
from sim.analysis.measures import per_user
from sim.analysis.rules import RESTART
from sim.analysis.summary import number
from sim.analysis.tables import Run

LEAST_MIN = 0.1
"""Minutes at or under which all is drawn alike, since the axis is logarithmic."""
MOST_PHONES = 14
"""Phones in the right panel: those of most users."""


def by_phone(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row a phone, the most frequent first: `phone`, `users`, `fits` (share); and each strategy's median minutes.

    Two tables with the same index, for a strategy may have any name. Minutes are by the rule RESTART.
    """
    metrics = per_user(run)
    phone = run.users.groupby("user_id")["phone"].first().reindex(run.user_ids)
    minutes = metrics["total_min"].groupby(phone.to_numpy()).median()
    fits = metrics["fits"].max(axis=1).groupby(phone.to_numpy()).mean()
    table = pd.concat([phone.value_counts().rename("users"), fits.rename("fits")], axis=1)
    table = table.rename_axis("phone").reset_index()
    table = table.sort_values(["users", "phone"], ascending=[False, True], ignore_index=True)
    return table, minutes.loc[table["phone"]].reset_index(drop=True)


def phones(run: Run) -> Figure | None:
    """Minutes in all by strategy: share of users at the target by then (left), median on the commonest phones (right).

    On the left who misses the target never arrives, so a curve ends at the share that does; on the right a miss is
    charged by the rule RESTART.
    """
    metrics = per_user(run)
    minutes = metrics["total_min"]
    arrives = metrics["reached"].fillna(1.0)  # where nobody trained, all are billed as if they arrived
    names = [s for s in run.strategies if minutes[s].notna().any()]
    if not names:
        return None
    table, medians = by_phone(run)
    spread = medians.loc[medians[names].notna().any(axis=1), names].head(MOST_PHONES).sort_values(names[0])
    shown, spread = table.loc[spread.index], spread.clip(lower=LEAST_MIN)
    figure = new_figure(height_in=max(3.1, 1.5 + 0.2 * len(shown)))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.05))
    for strategy in names:
        look = looks(run.strategies)[strategy]
        known = minutes[strategy].dropna().clip(lower=LEAST_MIN)
        ordered = np.sort(known[arrives[strategy] == 1].to_numpy())
        share = 100 * np.arange(1, len(ordered) + 1) / len(known)
        ends = f"{label(strategy)} ({number(100 * len(ordered) / len(known))} % arrive)"
        left.step(ordered, share, where="post", label=ends, markevery=max(1, len(ordered) // 6), **look.plot)
    left.set_ylim(0, 101)
    left.set_ylabel("users at the target (%)")
    left.set_title("over all users")
    rows = list_downwards(
        right, [f"{phone} ({users})" for phone, users in zip(shown["phone"], shown["users"], strict=True)]
    )
    right.hlines(rows, spread.min(axis=1), spread.max(axis=1), color="#cccccc", linewidth=1, zorder=1)
    for strategy in names:
        look = looks(run.strategies)[strategy]
        right.plot(
            spread[strategy], rows, label=label(strategy), **(look.plot | {"linestyle": "none", "markersize": 6})
        )
    right.set_title("median by phone (users)")
    for axes in (left, right):
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        least = f"at least {LEAST_MIN:g}" if (minutes < LEAST_MIN).any(axis=None) else ""
        miss = f"; rule {RESTART}" if axes is right else ""
        axes.set_xlabel(f"minutes from selection to target\n{least}{miss}".replace("\n; ", "\n").rstrip(), fontsize=8)
    out = len(minutes) - int(minutes.notna().any(axis=1).sum())
    note = f"{out} of {len(minutes)} users have a phone with too little memory for this LLM and are left out"
    handles, labels = left.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(len(names), 3),
        title=note if out else None,
        title_fontsize=8,
    )
    return figure
