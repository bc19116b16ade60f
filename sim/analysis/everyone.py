"""The users of a run, or of several runs that asked the same with other seeds, and what is estimated from them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from sim.analysis.bootstrap import (
    Interval,
    Sample,
    holm,
    mean_intervals,
    median_intervals,
    ratio_intervals,
    share_intervals,
)
from sim.analysis.measures import BREAK_EVEN, COSTS, METRICS, SAVINGS, SHARES, per_user, scratch_steps
from sim.analysis.rules import RESTART
from sim.analysis.tables import Run
from sim.experiment.names import SCRATCH

MEDIANS = (*SAVINGS, "steps_to_target", "total_min", "total_kj")
"""Metrics that are also estimated as NAME_median, the median over users."""
OF_MEANS = "_of_means"
"""Suffix of savings that are 1 - mean cost / mean cost from scratch, where those without are means over users."""


class Estimate(NamedTuple):
    """An interval for each name and, within it, each strategy; `rows` are the names."""

    rows: Sequence[str]
    interval: Interval
    medians: np.ndarray


@dataclass(frozen=True, eq=False)
class Everyone:
    """All users of `runs`; a table of them has a row for each user of each run, and a column for each strategy."""

    runs: tuple[Run, ...]

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """The strategies of all runs."""
        return tuple(dict.fromkeys(strategy for run in self.runs for strategy in run.strategies))

    @cached_property
    def sample(self) -> Sample:
        """Users of one style in one run vary together."""
        return self.sample_of(np.ones(len(self.run), dtype=bool))

    @cached_property
    def run(self) -> np.ndarray:
        """Which of `runs` each user is of, from 0, shape (users,)."""
        return np.repeat(np.arange(len(self.runs)), [len(run.user_ids) for run in self.runs])

    def trait(self, column: str) -> np.ndarray:
        """What a column of text in users.csv says of each user, shape (users,)."""
        return np.concatenate([run.trait(column) for run in self.runs])

    def sample_of(self, some: np.ndarray) -> Sample:
        """What some of the users have in common, those where `some` (users,) is true."""
        return Sample.of(self.trait("style")[some], self.run[some])

    @property
    def seed(self) -> int:
        """What intervals are drawn with."""
        return self.runs[0].seed

    def metrics(self, rule: str = RESTART) -> dict[str, pd.DataFrame]:
        """`measures.per_user` of all runs."""
        tables = [per_user(run, rule) for run in self.runs]
        return {name: pd.concat([t[name] for t in tables]).reindex(columns=self.strategies) for name in tables[0]}

    def recorded(self) -> Iterator[Estimate]:
        """Estimates of the metrics that follow from the records alone."""
        yield from self._estimates(self.metrics(), tuple(METRICS))

    def charged(self, rule: str) -> Iterator[Estimate]:
        """Estimates of the metrics that follow from a rule, savings of means and break-evens included."""
        metrics = self.metrics(rule)
        yield from self._estimates(metrics, tuple(name for name in COSTS if name not in BREAK_EVEN))
        if SCRATCH not in self.strategies:
            return
        less, scratch = [], []
        for name, cost in SAVINGS.items():
            paid = metrics[cost].where(metrics[name].notna())
            less.append(-paid.sub(paid[SCRATCH], axis=0).to_numpy())
            scratch.append(paid[[SCRATCH] * len(self.strategies)].to_numpy())
        yield self._ratio([name + OF_MEANS for name in SAVINGS], less, scratch)
        starts = [s for s in self.strategies if s != SCRATCH]
        steps = float(np.mean([scratch_steps(run) for run in self.runs]))
        tuning, choosing = [], []
        for alone, total in BREAK_EVEN.values():
            mine = metrics[alone][starts].reindex(columns=self.strategies)
            tuning.append(mine.to_numpy())
            choosing.append(steps * (mine - metrics[total]).to_numpy())
        yield self._ratio(list(BREAK_EVEN), choosing, tuning)

    def compare(self, metric: str, to: str, rule: str = RESTART) -> pd.DataFrame:
        """How far `to` is above each other strategy, user by user, in the metric's unit.

        Columns: strategy, mean, low, high (95 % interval), users (that both are defined for), p (of no difference,
        corrected for all comparisons of the table, after Holm).
        """
        values = self.metrics(rule)[metric]
        others = [s for s in self.strategies if s != to and values[s].notna().any()]
        found = mean_intervals(-values[others].sub(values[to], axis=0).to_numpy(), self.sample, self.seed)
        columns = {"mean": found.value, "low": found.low, "high": found.high, "users": found.users}
        return pd.DataFrame({"strategy": others, **columns, "p": holm(found.p)})

    def _estimates(self, metrics: dict[str, pd.DataFrame], names: Sequence[str]) -> Iterator[Estimate]:
        def stacked(names: Sequence[str]) -> np.ndarray:
            return np.hstack([metrics[name].to_numpy(dtype=float) for name in names])

        if shares := [name for name in names if name in SHARES]:
            values = stacked(shares)
            yield Estimate(shares, share_intervals(values, self.sample), median_of_columns(values))
        means = [name for name in names if name not in SHARES]
        values = stacked(means)
        yield Estimate(means, mean_intervals(values, self.sample, self.seed), median_of_columns(values))
        medians = [name for name in MEDIANS if name in names]
        found = median_intervals(stacked(medians), self.sample)
        yield Estimate([f"{name}_median" for name in medians], found, found.value)

    def _ratio(self, names: Sequence[str], over: Sequence[np.ndarray], under: Sequence[np.ndarray]) -> Estimate:
        found = ratio_intervals(np.hstack(over), np.hstack(under), self.sample, self.seed)
        return Estimate(names, found, np.full(len(found.value), np.nan))


def median_of_columns(values: np.ndarray) -> np.ndarray:
    """Median of each column without its NaN; NaN for a column of nothing else."""
    some = ~np.isnan(values).all(0)
    out = np.full(values.shape[1], np.nan)
    out[some] = np.nanmedian(values[:, some], axis=0)
    return out
