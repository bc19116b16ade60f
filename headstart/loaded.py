"""What runs and sweeps left behind, as pandas frames."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import pandas as pd

from sim.analysis.explain.explanation import Explanation as Explained
from sim.analysis.explain.explanation import explain
from sim.analysis.explain.text import page
from sim.analysis.rules import RESTART
from sim.analysis.run.groups import savings
from sim.analysis.summary import summary_of
from sim.analysis.sweep.table import Sweep as SweepTable
from sim.analysis.sweep.table import is_sweep, load_sweep
from sim.analysis.tables import Run as Tables
from sim.analysis.tables import load_run
from sim.records.shelf import resolved

T = TypeVar("T")


class Explanation(Explained):
    """Why a user got a start, and what it cost: fields as data, and in words where it is printed."""

    def __str__(self) -> str:
        return page(self)


@dataclass(frozen=True, eq=False, repr=False)
class Run(Tables):
    """A run's records. Columns and their units: docs/records.md.

    Frames, a row for each ...
        users: user and strategy (users.csv).
        curves: evaluated loss (curves.csv).
        ladder: user, strategy and amount of texts (ladder.csv).
        choices: candidate that a phone scored (choices.csv).
        words: word of an explanation (words.csv).
        pool: pLLM (pool.csv).
        cloud: strategy and kind of work, done by the cloud or by owners (cloud.csv).

    Whole numbers are `Int64`, numbers `float64`, truths `boolean`, so that what is empty is missing and not NaN or
    False; text is `str`, and empty where there is none. A table that the run did not write has no rows.

    `config` is its `Config` (None: the folder has none), `folder` where it lies, `strategies` those with results,
    `user_ids` an array (users,).
    """

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row for each strategy, metric and rule: mean over users, 95 % interval, median (summary.csv)."""
        return summary_of(self.folder)

    def savings(self, by: str = "", rule: str = RESTART) -> pd.DataFrame:
        """What each strategy saves against scratch, user by user, in the mean of all users or of groups of them.

        Columns: `by`, strategy, metric (compute_saved_total, ...; `_total`: choosing included), rule, mean, low, high
        (95 % interval), all shares, and users (that it is defined for).

        Args:
            by: a column of `users` that says something of the user: tier, phone, network, style, taught. "": all users.
            rule: what a user costs who misses the target: "restart", "as trained" or "at budget".
        Raises: UserError.
        """
        return savings(self, by, rule)

    def explain(self, user: int, strategy: str = "xpert") -> Explanation:
        """Why a user got that start and what it cost; `print` says it in words. Raises UserError."""
        return _as(Explanation, explain(self, user, strategy))

    def __repr__(self) -> str:
        count = len(self.user_ids)
        return f"<Run {str(self.folder)!r}: {count} user{'s' * (count != 1)}, {', '.join(self.strategies)}>"


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(SweepTable):
    """A sweep's runs.

    `runs`: a frame, a row a run: folder (its name), and the swept keys with their values.
    `rows`: runs.csv, a row a run and strategy: the same, and means and 95 % intervals of the main metrics.
    """

    def run(self, name: str) -> Run:
        """The run in a folder of `runs`. Raises UserError."""
        return _as(Run, load_run(self.folder / name))

    def __repr__(self) -> str:
        return f"<Sweep {str(self.folder)!r}: {len(self.runs)} runs over {', '.join(self.keys)}>"


def load(folder: Path | str) -> Run | Sweep:
    """What lies in a results folder: a run, or a sweep, which has a runs.csv. Raises UserError.

    Args:
        folder: "latest" is the newest in `results`, and FOLDER/latest in that folder.
    """
    folder = resolved(Path(folder), sweeps=True)
    return _as(Sweep, load_sweep(folder)) if is_sweep(folder) else _as(Run, load_run(folder))


def _as(kind: type[T], found: Tables | SweepTable | Explained) -> T:
    """The same, as a kind of it that has more methods."""
    return kind(**{field.name: getattr(found, field.name) for field in fields(found)})
