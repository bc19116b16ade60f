"""What strategies save for groups of a run's users: by tier, style, phone, or whatever users.csv says of a user."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from sim.analysis.bootstrap import mean_intervals
from sim.analysis.everyone import Everyone
from sim.analysis.measures import SAVINGS, per_user
from sim.analysis.rules import RESTART, RULES
from sim.analysis.tables import Run
from sim.common.errors import UserError, nearest
from sim.experiment.names import SCRATCH


def savings(run: Run, by: str = "", rule: str = RESTART) -> pd.DataFrame:
    """Savings against scratch in the mean of each group's users, who are paired.

    Columns: `by`, strategy, metric (of `sim.analysis.measures.SAVINGS`), rule, mean, low, high (95 % interval), users.
    A saving that is defined for nobody has no row. Groups are in the order of their names.

    Args:
        by: a column of users.csv that is one of `traits`; "": all users are one group, and there is no such column.
    Raises: UserError.
    """
    if rule not in RULES:
        raise UserError(f"rule {rule!r}: unknown.{nearest(rule, RULES)}")
    if by and by not in (known := traits(run)):
        raise UserError(f"{by!r}: nothing that users.csv says of each user.{nearest(by, known)}")
    if SCRATCH not in run.strategies:
        raise UserError(f"{run.folder}: no result from scratch, so nothing is known to be saved.")
    metrics = per_user(run, rule)
    values = np.hstack([metrics[name].to_numpy(dtype=float) for name in SAVINGS])
    keys = [(strategy, name) for name in SAVINGS for strategy in run.strategies]
    group = run.users.groupby("user_id")[by].first().reindex(run.user_ids) if by else pd.Series("", run.user_ids)
    everyone = Everyone((run,))
    rows = []
    for name in sorted(group.dropna().unique()):
        mine = (group == name).to_numpy(dtype=bool, na_value=False)
        found = mean_intervals(values[mine], everyone.sample_of(mine), run.seed)
        for (strategy, metric), mean, low, high, users in zip(keys, *found[:4], strict=True):
            if users:
                rows.append((name, strategy, metric, rule, mean, low, high, users))
    table = pd.DataFrame(rows, columns=[by or "all", "strategy", "metric", "rule", "mean", "low", "high", "users"])
    return table if by else table.drop(columns="all")


def traits(run: Run) -> list[str]:
    """The columns of users.csv, of text and truths, that say the same of a user in each of the user's rows."""
    users = run.users.drop(columns=["strategy", "run"])
    named = [c for c in users if is_bool_dtype(users[c]) or not is_numeric_dtype(users[c])]
    same = users.groupby("user_id")[named].nunique(dropna=False).max() == 1
    return [str(name) for name in same.index[same]]
