"""Two runs beside each other: which settings differ, and by how much what was measured does.

Users of both runs who are the same person are compared with themselves; where they are not, the means are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sim.analysis.bootstrap import Interval, Sample, mean_intervals, share_intervals
from sim.analysis.measures import SAVINGS, SHARES, TOTALS, per_user
from sim.analysis.tables import Run
from sim.experiment.config import NO_RECORD
from sim.experiment.names import SCRATCH
from sim.experiment.reading import flat
from sim.records.manifest import made_by

COMPARED = (*TOTALS, "steps_saved", "selection_accuracy", "reached")
"""The metrics that are compared, all of them shares: savings by the rule RESTART, and what they come from."""
PERSON = ("seed", "corpus", *(f"population.{key}" for key in ("texts", "held_out", "styles", "styles_per_user")))
"""Settings, or beginnings of their keys, that decide who user 0 is and what this person has written."""


def settings(a: Run, b: Run) -> pd.DataFrame:
    """Columns key, A, B: the settings that differ, of those that records depend on, and the version. None: absent."""
    one, other = (dict(_flat(run)) for run in (a, b))
    rows = [
        (key, one.get(key), other.get(key)) for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)
    ]
    return pd.DataFrame(rows, columns=["key", "A", "B"], dtype=object)


def _flat(run: Run) -> Iterator[tuple[str, object]]:
    """The settings that records depend on, by dotted key."""

    yield "version", made_by(run.folder) or None
    yield from flat(run.config.model_dump(mode="json", exclude=NO_RECORD) if run.config else {})


def unpaired_for(a: Run, b: Run) -> str:
    """Why users of the same number are not the same person in both runs; "": they are."""
    if a.config is None or b.config is None:
        return "one of the runs has no config.toml"
    differ = settings(a, b)["key"]
    for key in differ:
        if key == "version" or any(key == person or key.startswith(f"{person}.") for person in PERSON):
            return f"{key} differs"
    shared = np.intersect1d(a.user_ids, b.user_ids)
    if not len(shared):
        return "they have no user in common"
    styles = [pd.Series(run.styles, run.user_ids).loc[shared] for run in (a, b)]
    return "" if styles[0].equals(styles[1]) else "their users draw from other styles, as their pools have"


def compare(a: Run, b: Run) -> pd.DataFrame:
    """A row for each strategy of both runs and each metric of `COMPARED` that both know.

    Columns: strategy, metric, A and B (means), difference (B - A), low, high (its 95 % interval), users (pairs; where
    users are not paired, the fewer of A's and B's).

    Paired, each user is compared with the same person, and styles are resampled with all of their users; the means are
    over the pairs. Unpaired, the interval of the difference follows from those of both means (Zou and Donner 2008).
    """
    strategies = [s for s in a.strategies if s in b.strategies]
    names = [
        (s, m) for s in strategies for m in COMPARED if not (s == SCRATCH and m in (*SAVINGS, "selection_accuracy"))
    ]
    one, other = (_columns(run, names) for run in (a, b))
    if unpaired_for(a, b):
        found = _apart(a, b, one.to_numpy(), other.to_numpy(), [metric in SHARES for _, metric in names])
    else:
        shared = np.intersect1d(a.user_ids, b.user_ids)
        found = _paired(a, one.loc[shared], other.loc[shared])
    table = pd.DataFrame(names, columns=["strategy", "metric"])
    table[["A", "B", "difference", "low", "high", "users"]] = np.stack(found, axis=1)
    return table[table["users"] > 0].astype({"users": "int64"}).reset_index(drop=True)


def _columns(run: Run, names: list[tuple[str, str]]) -> pd.DataFrame:
    """The metrics of a run's users (rows), a column for each strategy and metric."""
    metrics = per_user(run)
    return pd.DataFrame({at: metrics[metric][strategy] for at, (strategy, metric) in enumerate(names)}, run.user_ids)


def _paired(a: Run, one: pd.DataFrame, other: pd.DataFrame) -> tuple[np.ndarray, ...]:
    both = one.notna() & other.notna()
    styles = pd.Series(a.styles, a.user_ids).loc[one.index].to_numpy(dtype=str)
    sample = Sample.of(styles, np.zeros(len(styles), dtype=np.int64))
    found = mean_intervals((other - one).to_numpy(dtype=float), sample, a.seed)
    means = (side.where(both).mean().to_numpy() for side in (one, other))
    return (*means, found.value, found.low, found.high, found.users)


def _apart(a: Run, b: Run, one: np.ndarray, other: np.ndarray, shares: list[bool]) -> tuple[np.ndarray, ...]:
    x, y = (_intervals(run, values.astype(float), shares) for run, values in ((a, one), (b, other)))
    low = y.value - x.value - np.hypot(y.value - y.low, x.high - x.value)
    high = y.value - x.value + np.hypot(y.high - y.value, x.value - x.low)
    return x.value, y.value, y.value - x.value, low, high, np.minimum(x.users, y.users)


def _intervals(run: Run, values: np.ndarray, shares: list[bool]) -> Interval:
    """Of each column, as the summary has it: exact ones of shares, and of means by the bootstrap."""
    sample = Sample.of(run.styles, np.zeros(len(run.user_ids), dtype=np.int64))
    parts = share_intervals(values, sample), mean_intervals(values, sample, run.seed)
    return Interval(*(np.where(shares, exact, mean) for exact, mean in zip(*parts, strict=True)))


def in_words(metric: str) -> str:
    """A metric of `COMPARED` for a reader."""
    return {"selection_accuracy": "right pLLM", "reached": "reach the target", "steps_saved": "steps saved"}.get(
        metric, metric.removesuffix("_total").replace("_", " ")
    )
