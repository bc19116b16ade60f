"""The verdict on a sweep, in sentences: in how many of its runs each strategy is best, scratch included.

Where there are replicates it is in how many settings, each over all of its replicates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sim.analysis.measures import TOTALS
from sim.analysis.rules import MEANING, RESTART
from sim.analysis.run.verdict import WHAT
from sim.analysis.summary import number
from sim.analysis.sweep.table import Sweep, listed
from sim.analysis.tables import records
from sim.experiment.names import ORACLE, SCRATCH

Rows = Mapping[str, Mapping[str, Any]]
"""The rows of one run (or setting), by strategy."""


def verdict(sweep: Sweep) -> list[str]:
    """Who is best how often, by each saving with choosing in it: first that by which scratch is best most often."""
    first, pooled = f"{extent(sweep)}; strategies: {listed(sweep.strategies)}.", sweep.pooled
    found = {metric: _comparable(pooled, metric) for metric in TOTALS}
    order = sorted((m for m in TOTALS if found[m]), key=lambda m: -sum(best(run, m) == SCRATCH for run in found[m]))
    if not order:
        return [first]
    what = "runs" if pooled is sweep else "settings"
    return [*(_counts(found[metric], metric, what) for metric in order), f"The rule is {RESTART!r}: {MEANING}.", first]


def extent(sweep: Sweep) -> str:
    """How many runs a sweep has, and over what; with replicates how many a setting has, and how many users."""
    pooled = sweep.pooled
    if pooled is sweep:
        return f"{len(sweep.runs)} runs over {listed(sweep.keys)}"
    over = f"over {listed(pooled.keys)}, each" if pooled.keys else ""
    counts = pooled.rows.groupby("folder")[["replicates", "users"]].max()
    replicates, users = (_count(sorted(set(counts[column])), column) for column in ("replicates", "users"))
    settings = _count([len(sweep.settings)], "settings")
    return " ".join(f"{settings} {over} of {replicates} and {users} ({_count([len(sweep.runs)], 'runs')})".split())


def _count(values: list[int], what: str) -> str:
    """A number, or the lowest and highest of several, with what is counted."""
    return f"{' to '.join(str(v) for v in sorted({values[0], values[-1]}))} {what if values[-1] != 1 else what[:-1]}"


def best(run: Rows, metric: str) -> str:
    """The strategy with the highest mean in a run, the oracle apart; scratch where nobody is above it."""
    honest = [strategy for strategy in run if strategy not in (ORACLE, SCRATCH)]
    return max([SCRATCH, *honest], key=lambda strategy: float(run[strategy][metric]))


def _comparable(sweep: Sweep, metric: str) -> list[Rows]:
    """The runs in which scratch and another strategy than the oracle have the metric."""
    runs: dict[str, dict[str, dict[str, Any]]] = {}
    for row in records(sweep.rows):
        if not pd.isna(row[metric]):
            runs.setdefault(row["folder"], {})[row["strategy"]] = row
    return [run for run in runs.values() if SCRATCH in run and set(run) - {SCRATCH, ORACLE}]


def _counts(runs: list[Rows], metric: str, what: str) -> str:
    """How often each strategy is best, how often that is more than the draw of users, and what each saves."""
    wins = Counter(best(run, metric) for run in runs)
    (first, count), *rest = wins.most_common()
    parts = [f"{first} is best in {count} of {len(runs)} {what}", *(f"{name} in {count}" for name, count in rest)]
    sure = sum(_is_sure(run, metric) for run in runs)
    text = [
        f"By {WHAT[metric]}, choosing included, {' and '.join(parts)}; {sure} of these hold beyond the 95 % interval."
    ]
    if ahead := [run[ORACLE][metric] > run[best(run, metric)][metric] for run in runs if ORACLE in run]:
        text.append(f"The oracle, which is told the style, saves more in {sum(ahead)}.")
    saved: dict[str, list[float]] = {}
    for run in runs:
        for strategy in run.keys() - {SCRATCH, ORACLE}:
            saved.setdefault(strategy, []).append(100 * run[strategy][metric])
    spans = [f"{name} {number(min(means))} to {number(max(means))} %" for name, means in sorted(saved.items())]
    return " ".join([*text, f"Saved: {', '.join(spans)}."])


def _is_sure(run: Rows, metric: str) -> bool:
    """Whether scratch lies outside the interval of who is best, or where it is best itself, of all others."""
    if (name := best(run, metric)) != SCRATCH:
        return bool(run[name][f"{metric}_low"] > 0)
    return all(run[strategy][f"{metric}_high"] < 0 for strategy in run.keys() - {SCRATCH, ORACLE})
