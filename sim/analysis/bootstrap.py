"""95 % intervals that cover what varies: runs, styles within a run, users within a style.

Users of one style start from the same pLLM, so their errors go together: they are one cluster. Means are bootstrapped
by clusters (2000 resamples, percentiles); shares get the exact interval of Clopper and Pearson for as many users as the
clusters are worth (Korn and Graubard 1998), medians that of the ranks, likewise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from sim.common.streams import stream

RESAMPLES = 2000
BOUNDS = (2.5, 97.5)
_CHUNK = 4_000_000  # cells of the resampling matrix held at once


class Sample(NamedTuple):
    """What users have in common, arrays (users,) of numbers from 0: the cluster, and the run that they are from."""

    cluster: np.ndarray
    run: np.ndarray

    @classmethod
    def of(cls, cluster: np.ndarray, run: np.ndarray) -> Sample:
        """Clusters lie within runs. Where all users of all runs are one cluster, each is one: nothing else varies."""
        codes = np.unique(run, return_inverse=True)[1]
        if len(np.unique(cluster)) < 2:
            cluster = np.arange(len(run))
        pairs = np.stack([codes, np.unique(cluster, return_inverse=True)[1]])
        return cls(np.unique(pairs, axis=1, return_inverse=True)[1].reshape(-1), codes)

    @classmethod
    def alone(cls, users: int) -> Sample:
        """Users of one run who have nothing in common."""
        return cls(np.arange(users), np.zeros(users, dtype=np.int64))

    @property
    def top(self) -> np.ndarray:
        """The largest units that vary: runs where there are several, else clusters."""
        return self.run if self.run.any() else self.cluster


class Interval(NamedTuple):
    """Arrays of shape (columns,): the statistic, its interval, and how many users it is defined for.

    One user, or one cluster, gives no interval (NaN): nothing is known of the spread. `effect` is the design effect:
    the variance over that of as many users who have nothing in common. `p` is the two-sided one of a statistic of 0.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    users: np.ndarray
    effect: np.ndarray
    p: np.ndarray


def mean_intervals(values: np.ndarray, sample: Sample, seed: int) -> Interval:
    """Mean of every column over its users, (users, columns); NaN where a user has no value."""
    found = ratio_intervals(values, np.ones_like(values), sample, seed)
    low, high = np.minimum(found.low, found.value), np.maximum(found.high, found.value)
    return found._replace(low=low, high=high, effect=design_effects(values, sample.top))


def ratio_intervals(over: np.ndarray, under: np.ndarray, sample: Sample, seed: int) -> Interval:
    """Sum of one column over the sum of another, of the users who have both; infinite where the second is not above 0.

    A draw of clusters is a vector of counts, so all resamples of all columns are one matrix product. Columns that are
    defined for the same clusters see the same draws.

    Args:
        over, under: shape (users, columns); NaN where a user has no value.
    """
    defined = ~np.isnan(over) & ~np.isnan(under)
    users = defined.sum(0)
    value, low, high, p = (np.full(over.shape[1], np.nan) for _ in range(4))
    clusters = sums(np.ones((len(over), 1)), sample.cluster).shape[0]
    home = np.zeros(clusters, dtype=np.int64)
    home[sample.cluster] = sample.run
    parts = [sums(np.where(defined, part, 0.0), sample.cluster) for part in (over, under)]
    there = sums(defined.astype(float), sample.cluster) > 0
    groups: dict[bytes, list[int]] = {}
    for column in range(over.shape[1]):
        groups.setdefault(there[:, column].tobytes(), []).append(column)
    for columns in groups.values():
        rows = there[:, columns[0]]
        if not rows.any():
            continue
        top, bottom = (part[rows][:, columns] for part in parts)
        value[columns] = _divided(top.sum(0), bottom.sum(0))
        if rows.sum() > 1:
            drawn = _resampled(top, bottom, home[rows], seed)
            low[columns], high[columns] = np.percentile(drawn, BOUNDS, axis=0, method="nearest")
            tails = np.minimum((drawn <= 0).mean(0), (drawn >= 0).mean(0))
            p[columns] = np.clip(2 * tails, 1 / RESAMPLES, 1)
    return Interval(value, low, high, users, np.full(over.shape[1], np.nan), p)


def share_intervals(values: np.ndarray, sample: Sample) -> Interval:
    """Share of users who are 1, of every column of 0, 1 and NaN: exact, for as many users as the clusters are worth."""
    users = (~np.isnan(values)).sum(0)
    effect = design_effects(values, sample.top)
    with np.errstate(invalid="ignore"):
        value = np.nansum(values, axis=0) / np.where(users > 0, users, np.nan)
        worth = users / np.maximum(effect, 1.0)
        ones = value * worth
        low = np.where(ones > 0, beta.ppf(BOUNDS[0] / 100, ones, worth - ones + 1), 0.0)
        high = np.where(value < 1, beta.ppf(BOUNDS[1] / 100, ones + 1, worth - ones), 1.0)
    nothing = np.where(users > 0, 0.0, np.nan)
    return Interval(value, low + nothing, high + nothing, users, effect, np.full(len(users), np.nan))


def median_intervals(values: np.ndarray, sample: Sample) -> Interval:
    """Median of every column over its users, (users, columns); the ends are values at ranks.

    The rank of the median among n users has a Beta distribution; n is as many users as the clusters are worth.
    """
    users = (~np.isnan(values)).sum(0)
    median, low, high = (np.full(values.shape[1], np.nan) for _ in range(3))
    for column in np.flatnonzero(users):
        ordered = np.sort(values[:, column])[: users[column]]  # NaN sorts last
        median[column] = np.median(ordered)
    under = np.where(np.isnan(values), np.nan, values <= median)
    effect = design_effects(under, sample.top)
    worth = users / np.maximum(effect, 1.0)
    for column in np.flatnonzero(users > 1):
        n = users[column]
        ordered = np.sort(values[:, column])[:n]
        half = (worth[column] + 1) / 2
        ranks = np.ceil(beta.ppf(np.array(BOUNDS) / 100, half, half) * n).astype(int) - 1
        low[column], high[column] = ordered[np.clip(ranks, 0, n - 1)]
    low, high = np.minimum(low, median), np.maximum(high, median)
    return Interval(median, low, high, users, effect, np.full(len(users), np.nan))


def design_effects(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Variance of each column's mean over users in units that vary together, over that of as many separate users.

    1 where all users are alike; NaN where there are fewer than two units.

    Args:
        values: shape (users, columns); NaN where a user has no value.
        units: shape (users,), the unit of each user, from 0.
    """
    defined = ~np.isnan(values)
    users = defined.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(values, axis=0) / users
        apart = np.where(defined, values - mean, 0.0)
        count = (sums(defined.astype(float), units) > 0).sum(0)
        together = (sums(apart, units) ** 2).sum(0) * count / (count - 1)
        separate = (apart**2).sum(0) * users / (users - 1)
        alike = separate <= 1e-24 * np.maximum(mean**2, 1e-300) * users
        return np.where(count < 2, np.nan, np.where(alike, 1.0, together / separate))


def holm(p: np.ndarray) -> np.ndarray:
    """P-values of several comparisons, corrected so that one in twenty sets of them errs (Holm 1979); NaN stays."""
    out = np.full(len(p), np.nan)
    order = [i for i in np.argsort(p) if not np.isnan(p[i])]
    highest = 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p[i]))
        out[i] = highest
    return out


def sums(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Sums of the rows of each unit, shape (units, columns)."""
    order = np.argsort(units, kind="stable")
    starts = np.flatnonzero(np.diff(units[order], prepend=-1))
    return np.asarray(np.add.reduceat(values[order], starts, axis=0))


def drawn(units: int, seed: int) -> np.ndarray:
    """How often each of so many units is drawn in every resample: shape (RESAMPLES, units)."""
    return _draws(stream(seed, "bootstrap"), np.full(RESAMPLES, units), units)


def _divided(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.inf)


def _resampled(top: np.ndarray, bottom: np.ndarray, run: np.ndarray, seed: int) -> np.ndarray:
    """The ratio of sums in every resample: runs are drawn, and clusters within each run that was drawn."""
    rng = stream(seed, "bootstrap")
    clusters, runs = len(top), np.unique(run, return_inverse=True)[1]
    members = [np.flatnonzero(runs == r) for r in range(runs.max() + 1)]
    rows = max(1, min(RESAMPLES, _CHUNK // clusters))
    out = np.empty((RESAMPLES, top.shape[1]))
    for first in range(0, RESAMPLES, rows):
        count = min(rows, RESAMPLES - first)
        drawn = np.zeros((count, clusters))
        often = _draws(rng, np.full(count, len(members)), len(members)) if len(members) > 1 else np.ones((count, 1))
        for r, mine in enumerate(members):
            drawn[:, mine] = _draws(rng, often[:, r].astype(np.int64) * len(mine), len(mine))
        out[first : first + count] = _divided(drawn @ top, drawn @ bottom)
    return out


def _draws(rng: np.random.Generator, times: np.ndarray, among: int) -> np.ndarray:
    """How often each of so many things was drawn, when row i draws `times[i]` times: shape (rows, among)."""
    places = rng.integers(0, among, int(times.sum())) + np.repeat(np.arange(len(times)), times) * among
    return np.bincount(places, minlength=len(times) * among).reshape(len(times), among)
