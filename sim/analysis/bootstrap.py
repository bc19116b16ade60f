"""95 % intervals by the percentile bootstrap: the users are drawn again with replacement, 2000 times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.common.streams import stream

RESAMPLES = 2000
BOUNDS = (2.5, 97.5)
_CHUNK = 4_000_000  # cells of the resampling matrix held at once


class Interval(NamedTuple):
    """Arrays of shape (columns,): the statistic, its interval, and how many users it is defined for.

    One user gives no interval (NaN): nothing is known of the spread.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    users: np.ndarray


def mean_intervals(values: np.ndarray, seed: int) -> Interval:
    """Mean of every column over its users and the interval of that mean.

    A draw of users is a vector of counts, so all resamples of all columns are one matrix product. Columns
    that are defined for the same users see the same draws.

    Args:
        values: shape (users, columns); NaN where a user has no value.
    """
    defined = ~np.isnan(values)
    users = defined.sum(0)
    mean, low, high = (np.full(values.shape[1], np.nan) for _ in range(3))
    groups: dict[bytes, list[int]] = {}
    for column in range(values.shape[1]):
        groups.setdefault(defined[:, column].tobytes(), []).append(column)
    for columns in groups.values():
        some = values[defined[:, columns[0]]][:, columns]
        if len(some) == 0:
            continue
        mean[columns] = some.mean(0)
        if len(some) > 1:
            low[columns], high[columns] = np.percentile(_resampled_means(some, seed), BOUNDS, axis=0)
    return Interval(mean, np.minimum(low, mean), np.maximum(high, mean), users)


def median_intervals(values: np.ndarray, seed: int) -> Interval:
    """Median of every column over its users and the interval of that median.

    No resample is drawn: the k-th of n values drawn with replacement is the value at rank ceil(n u), where
    u, the k-th of n uniform numbers, has a Beta(k, n - k + 1) distribution. That is exact and takes no time.

    Args:
        values: shape (users, columns); NaN where a user has no value.
    """
    users = (~np.isnan(values)).sum(0)
    median, low, high = (np.full(values.shape[1], np.nan) for _ in range(3))
    for column, n in enumerate(users):
        if n == 0:
            continue
        ordered = np.sort(values[:, column])[:n]  # NaN sorts last
        median[column] = np.median(ordered)
        if n > 1:
            low[column], high[column] = np.percentile(_resampled_medians(ordered, seed), BOUNDS)
    return Interval(median, low, high, users)


def _resampled_means(values: np.ndarray, seed: int) -> np.ndarray:
    rng = stream(seed, "bootstrap")
    n = len(values)
    rows = max(1, min(RESAMPLES, _CHUNK // n))
    means = np.empty((RESAMPLES, values.shape[1]))
    for first in range(0, RESAMPLES, rows):
        count = min(rows, RESAMPLES - first)
        draws = rng.integers(0, n, (count, n)) + np.arange(count)[:, None] * n
        counts = np.bincount(draws.ravel(), minlength=count * n).reshape(count, n)
        means[first : first + count] = counts.astype(float) @ values / n
    return means


def _resampled_medians(ordered: np.ndarray, seed: int) -> np.ndarray:
    rng = stream(seed, "bootstrap")
    n = len(ordered)
    k = (n + 1) // 2
    u = rng.beta(k, n - k + 1, RESAMPLES)
    middle = ordered[_rank(u, n)]
    if n % 2:
        return middle
    above = u + (1 - u) * rng.beta(1, n - k, RESAMPLES)  # the next of n uniform numbers
    return (middle + ordered[_rank(above, n)]) / 2


def _rank(u: np.ndarray, n: int) -> np.ndarray:
    return np.clip(np.ceil(u * n).astype(int) - 1, 0, n - 1)
