"""What contributed adapters tell of the texts behind them: how well these are told apart from others by simple guesses.

Membership inference: `loss` takes texts of low loss for members; `ratio` those whose loss is low beside that under
others' adapters, which is LiRA offline (Carlson et al., S&P 2022) with one spread for all texts, and other users'
adapters as its shadow models; `blind` looks at others' adapters alone, which never saw the texts: it must find nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sim.analysis.bootstrap import BOUNDS, drawn
from sim.analysis.tables import Run, read_table, write_table
from sim.records.tables import LEAK, MEMBERSHIP

MEMBERSHIP_CSV = "membership.csv"
GUESSES = ("loss", "ratio", "blind")
FALSE_ALARMS = 0.01
"""The share of texts taken for members by mistake at which it is asked how many members are found."""
_CHUNK = 4_000_000  # cells of the resampling matrix held at once


def leak(*runs: Run) -> pd.DataFrame:
    """The columns of `sim.records.tables.LEAK`: for each strategy a row a wave and guess, then one a guess over all.

    Empty where no run asked for it.

    Args:
        runs: one; or several that asked the same with other seeds, whose users are then taken together.
    """
    parts = [read_table(run.folder / MEMBERSHIP_CSV, MEMBERSHIP).assign(run=at) for at, run in enumerate(runs)]
    table = pd.concat(parts, ignore_index=True)
    by_strategy = table.groupby("strategy", sort=False)
    rows = [row for strategy, mine in by_strategy for row in _rows(str(strategy), mine, runs[0])]
    return pd.DataFrame(rows, columns=[column.name for column in LEAK])


def _rows(strategy: str, table: pd.DataFrame, run: Run) -> Iterator[dict[str, object]]:
    waves: list[int | None] = [*sorted(int(wave) for wave in table["wave"].unique()), None]
    for wave in waves:
        some = table if wave is None else table[table["wave"] == wave]
        unit = some.groupby(["run", "user_id"], sort=False).ngroup().to_numpy(dtype=np.int64)
        loss, reference = (some[name].to_numpy(dtype=float) for name in ("loss", "reference"))
        for guess, score in zip(GUESSES, (-loss, reference - loss, -reference), strict=True):
            known = ~np.isnan(score)
            if not known.any():
                continue
            member, mine = some["member"].to_numpy(dtype=bool)[known], np.unique(unit[known], return_inverse=True)[1]
            count = {"adapters": int(mine.max()) + 1, "texts": int(known.sum())}
            found = told_apart(score[known], member, mine, run.seed)
            yield {"strategy": strategy, "wave": wave, "guess": guess, **count, **found}


def told_apart(score: np.ndarray, member: np.ndarray, unit: np.ndarray, seed: int) -> dict[str, float]:
    """How well a score tells members from others: `auc`, `tpr` at FALSE_ALARMS, and the ends of their 95 % intervals.

    All texts of all users are ranked together; units are drawn for the intervals, with all of their texts.

    Args:
        score: shape (texts,), the higher the likelier a member. member: truth. unit: whose text it is, from 0.
    """
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=np.nan) != 0)  # texts of one score go over the bar together
    count, times = int(unit.max()) + 1, max(1, _CHUNK // len(score))
    often = np.concatenate([np.ones((1, count)), drawn(count, seed)])
    parts = [_curve(often[at : at + times][:, unit[order]], member[order], last) for at in range(0, len(often), times)]
    found: dict[str, float] = {}
    for name, values in zip(("auc", "tpr"), np.concatenate(parts, axis=1), strict=True):
        low, high = np.nanpercentile(values[1:], BOUNDS) if count > 1 else (np.nan, np.nan)
        found |= {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def _curve(weight: np.ndarray, member: np.ndarray, last: np.ndarray) -> np.ndarray:
    """AUC and TPR at FALSE_ALARMS of texts in the order of their scores, by rows of weights: (2, rows)."""
    found, alarms = (np.cumsum(weight * which, axis=1)[:, last] for which in (member, ~member))
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may lack either kind
        tpr, fpr = found / found[:, -1:], alarms / alarms[:, -1:]
    start = np.zeros((len(weight), 1))
    tpr, fpr = np.hstack([start, tpr]), np.hstack([start, fpr])
    auc = (np.diff(fpr, axis=1) * (tpr[:, 1:] + tpr[:, :-1]) / 2).sum(axis=1)
    return np.stack([auc, np.where(fpr <= FALSE_ALARMS, tpr, 0.0).max(axis=1)])


def write_leak(run: Run) -> None:
    """Write leak.csv into the run's folder, where adapters were asked."""
    if len(table := leak(run)):
        write_table(run, "leak", table)
