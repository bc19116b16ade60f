"""Wave by wave: what each strategy's pool was, what its users saved, and from which wave on it has paid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sim.analysis.bootstrap import Sample, mean_intervals
from sim.analysis.look.figures import label, looks, new_figure
from sim.analysis.measures import SAVINGS, TOTALS, per_user
from sim.analysis.rules import MEANING, RESTART
from sim.analysis.tables import Run, records, write_table
from sim.experiment.names import SCRATCH
from sim.pool.contributed import pllm_of
from sim.records.savings import share_saved
from sim.records.tables import WAVES


def waves(run: Run) -> pd.DataFrame:
    """The columns of `sim.records.tables.WAVES`, a row for each wave and strategy but scratch (rule RESTART).

    Empty where all users came at once, and in a run without scratch.
    """
    hostile = run.attackers.drop_duplicates("user_id")["wave"].value_counts() if len(run.attackers) else pd.Series()
    wave = run.users.groupby("user_id")["wave"].first().reindex(run.user_ids).fillna(0).to_numpy(dtype=np.int64)
    if not wave.any() or SCRATCH not in run.strategies:
        return pd.DataFrame(columns=[column.name for column in WAVES])
    metrics = per_user(run)
    names = [strategy for strategy in run.strategies if strategy != SCRATCH]
    up, down = (run.wide(column)[names] for column in ("bytes_up", "bytes_down"))
    versions = {(r["wave"], r["strategy"]): r for r in records(run.versions)}
    flops = run.cloud.groupby(["wave", "strategy"])["flops"].sum()
    own = {column: _own_style(run, column) for column in ("oracle", "chosen")}
    so_far = {saving: _so_far(metrics[SAVINGS[saving]][[SCRATCH, *names]], wave) for saving in TOTALS}
    rows: list[dict[str, object]] = []
    for number in np.unique(wave):
        mine = wave == number
        sample = Sample.of(run.styles[mine], np.zeros(mine.sum(), dtype=np.int64))
        found = {what: mean_intervals(metrics[what][names].to_numpy()[mine], sample, run.seed) for what in TOTALS}
        for at, strategy in enumerate(names):
            version = versions.get((number, strategy), {})
            row: dict[str, object] = {
                "wave": number,
                "strategy": strategy,
                "users": int(mine.sum()),
                "pllms": version.get("pllms"),
                "contributed": version.get("contributed"),
                "style_there": own["oracle"][strategy][mine].fillna(0).mean(),
                "style_chosen": own["chosen"][strategy][mine].fillna(0).mean(),
                "selection_accuracy": metrics["selection_accuracy"][strategy][mine].mean(),
                "style_told": own["chosen"][strategy][mine].mean(),
                "reached": metrics["reached"][strategy][mine].mean(),
                "cloud_flops": float(flops.get((number, strategy), 0.0)),
                "bytes_up": up[strategy][mine].sum(),
                "bytes_down": down[strategy][mine].sum(),
                "attackers": int(hostile.get(number, 0)),
                "by_attackers": version.get("by_attackers"),
                "poisoned": _share(version),
                "poisoned_start": metrics["poisoned_start"][strategy][mine].mean(),
            }
            for what in TOTALS:
                row |= {what: found[what].value[at], f"{what}_low": found[what].low[at]}
                row |= {f"{what}_high": found[what].high[at], f"{what}_so_far": so_far[what][strategy][number]}
            rows.append(row)
    return pd.DataFrame(rows)[[column.name for column in WAVES]]


def _own_style(run: Run, column: str) -> pd.DataFrame:
    """1 where the pLLM named in a column of users.csv has its user's style, else 0, by user (rows) and strategy.

    A pLLM has the style of the user who gave it. NaN where none is named, or several, or one of no style, as what the
    cloud made has none.
    """
    styles = dict(zip(run.pool["pllm"], run.pool["style"], strict=True))
    styles |= {pllm_of(user): style for user, style in zip(run.user_ids.tolist(), run.styles.tolist(), strict=True)}
    named = run.users[column].map(styles)
    return run.wide((named == run.users["style"]).astype(float).where(named.notna()))


def _share(version: Mapping[str, Any]) -> float:
    """The share of a version's pLLMs that attackers gave; NaN of an empty one, and where it is not known."""
    poisoned, pllms = version.get("poisoned"), version.get("pllms")
    return float(poisoned / pllms) if pllms and not pd.isna(poisoned) else math.nan


def _so_far(cost: pd.DataFrame, wave: np.ndarray) -> pd.DataFrame:
    """Savings of all users up to each wave (rows), together, by strategy (columns): of those whose costs are known."""
    paid = {}
    for strategy in cost:
        known = cost[strategy].notna() & cost[SCRATCH].notna()
        sums = cost[[SCRATCH, strategy]].where(known, 0.0).groupby(wave).sum().cumsum()
        paid[strategy] = pd.Series(share_saved(sums.iloc[:, -1], sums.iloc[:, 0]), sums.index)
    return pd.DataFrame(paid)


def break_even(table: pd.DataFrame, column: str) -> dict[str, int | None]:
    """The wave from which on a saving is above 0 to the last, by strategy; None: in the last it is not.

    Args:
        table: of `waves`. column: of it.
    """
    found: dict[str, int | None] = {}
    for strategy, rows in table.sort_values("wave").groupby("strategy", sort=False):
        pays = (rows[column] > 0).to_numpy()
        first = len(pays) - int(np.argmin(pays[::-1])) if not pays.all() else 0
        found[str(strategy)] = int(rows["wave"].iloc[first]) if first < len(pays) else None
    return found


def sentences(table: pd.DataFrame, what: str = "time_saved_total") -> Iterator[str]:
    """Of each strategy, from which wave on it pays: for the wave's own users, and for all users up to then together.

    The mean of a wave is uncertain, so it is also said from when on its whole 95 % interval is above 0. And after the
    first wave, how many users had a chance: a pool may have no pLLM of their style, and the closest is then another's.
    """
    own, sure, together = (break_even(table, column) for column in (what, f"{what}_low", f"{what}_so_far"))
    for strategy in own:
        a, b = ("never save" if at is None else f"save from wave {at} on" for at in (own[strategy], together[strategy]))
        clear = "" if own[strategy] is None else " (clearly: never)"
        if (at := sure[strategy]) is not None:
            clear = f" (clearly: from wave {at} on)"
        found = _styles(table, strategy)
        yield f"{strategy}: on average a wave's users {a}{clear}; all users so far together {b}.{found}"


def _styles(table: pd.DataFrame, strategy: str) -> str:
    """For how many users the pool had a pLLM of their own style, and how many found it; "" where it never had."""
    later = table[(table["strategy"] == strategy) & (table["wave"] > 0)]
    there, chosen = (np.average(later[of], weights=later["users"]) for of in ("style_there", "style_chosen"))
    return f" {there:.0%} found a pLLM of their own style there, {chosen:.0%} started from one." if there else ""


def write_waves(run: Run) -> None:
    """Write waves.csv into the run's folder, where users came in waves."""
    if len(table := waves(run)):
        write_table(run, "waves", table)


def by_wave(run: Run) -> Figure | None:
    """Time saved by wave, uploads included, a line a strategy with its 95 % band; and of all users so far."""
    table = waves(run)
    if table.empty:
        return None
    figure = new_figure(height_in=3.3)
    panels = figure.subplots(1, 3)
    for strategy, look in looks(run.strategies).items():
        mine = table[table["strategy"] == strategy]
        if mine.empty:
            continue
        x = mine["wave"].to_numpy()
        panels[0].plot(x, 100 * mine["time_saved_total"], label=label(strategy), **look.plot)
        low, high = (100 * mine[f"time_saved_total_{end}"].to_numpy() for end in ("low", "high"))
        panels[0].fill_between(x, low, high, color=look.colour, alpha=0.15, linewidth=0)
        panels[1].plot(x, 100 * mine["time_saved_total_so_far"], **look.plot)
        panels[2].plot(x, mine["pllms"].to_numpy(dtype=float), **look.plot)
    titles = ("time saved by a wave's users", "by all users so far", "pLLMs in the pool")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)
        axes.set_xlabel("wave")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[2].yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in panels[:2]:
        axes.axhline(0, color="#222222", linewidth=0.8)
        axes.set_ylim(bottom=max(-150.0, axes.get_ylim()[0]), top=104)
    panels[0].set_ylabel("saved against scratch (%)")
    handles, labels = panels[0].get_legend_handles_labels()
    title = f"rule {RESTART}: {MEANING}"
    figure.legend(handles, labels, loc="outside upper right", ncols=6, title=title, title_fontsize=8)
    return figure
