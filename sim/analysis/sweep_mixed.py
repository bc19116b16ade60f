"""Users who mix styles: steps from one pLLM and from a merge of several, beside what XPerT's authors published."""

from __future__ import annotations

import pandas as pd

from sim.analysis.summary import by_key, compare, summarise
from sim.analysis.sweep_table import Sweep
from sim.analysis.tables import SCRATCH, load_run, records

MIXED_SOURCE = (
    'Wang et al., "Never Start from Scratch", MobiSys 2025, doi 10.1145/3711875.3729132, steps to converge, read off a '
    "chart and so approximate."
)
KEY, METRIC, MERGED = "population.styles_per_user", "steps_to_target", "xpert_merge"
PUBLISHED = {("xpert", 1): 25.0, ("xpert", 2): 60.0, ("xpert", 3): 75.0} | {
    (MERGED, 1): 25.0,
    (MERGED, 2): 45.0,
    (MERGED, 3): 57.0,
}
"""XPerT's steps as a percentage of those from scratch, by strategy and number of styles."""


def beside_mixed(sweep: Sweep) -> pd.DataFrame:
    """One row for each run and strategy of a sweep over styles per user that has a merging strategy; else empty.

    Columns: folder, styles, strategy; steps, steps_low, steps_high (measured, mean and its 95 % interval); more,
    more_low, more_high (steps more than the merge's, user by user); share (of the steps from scratch, %), published.
    """
    if KEY not in sweep.keys or MERGED not in sweep.strategies:
        return pd.DataFrame()
    rows = []
    for at in records(sweep.runs):
        run = load_run(sweep.folder / at["folder"])
        if not {SCRATCH, MERGED} <= set(run.strategies):
            continue
        found = by_key(summarise(run))
        more = {row["strategy"]: row for row in records(compare(run, METRIC, MERGED))}  # merge - other, in the negative
        for strategy in run.strategies:
            mine, apart = found[strategy, METRIC], more.get(strategy, {})
            rows.append(
                {
                    "folder": at["folder"],
                    "styles": int(at[KEY]),
                    "strategy": strategy,
                    "steps": mine["mean"],
                    "steps_low": mine["low"],
                    "steps_high": mine["high"],
                    "more": -apart.get("mean", float("nan")),
                    "more_low": -apart.get("high", float("nan")),
                    "more_high": -apart.get("low", float("nan")),
                    "share": 100 * mine["mean"] / found[SCRATCH, METRIC]["mean"],
                    "published": PUBLISHED.get((strategy, int(at[KEY])), float("nan")),
                }
            )
    return pd.DataFrame(rows)
