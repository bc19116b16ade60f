"""Intervals: they hold the statistic, agree with theory, and do not depend on which other columns there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.analysis.bootstrap import mean_intervals, median_intervals

numbers = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@settings(max_examples=40, deadline=None)
@given(numbers)
def test_the_interval_holds_the_statistic(values: list[float]) -> None:
    column = np.array(values)[:, None]
    mean = mean_intervals(column, 0)
    assert mean.low[0] <= mean.value[0] <= mean.high[0]
    assert min(values) - 1e-6 <= mean.low[0] <= mean.high[0] <= max(values) + 1e-6
    median = median_intervals(column, 0)
    assert min(values) <= median.low[0] <= median.high[0] <= max(values)


def test_mean_agrees_with_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(5, 2, (2000, 1))
    found = mean_intervals(values, 0)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.low[0] == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high[0] == pytest.approx(values.mean() + half, abs=0.1 * half)


@pytest.mark.parametrize("n", [7, 40])
def test_median_agrees_with_resampling(n: int) -> None:
    values = np.random.default_rng(2).exponential(1, n)
    draws = np.random.default_rng(3).choice(values, (20_000, n))
    expected = np.percentile(np.median(draws, axis=1), (2.5, 97.5))
    found = median_intervals(values[:, None], 0)
    order = np.sort(values)
    near = np.diff(order).max()  # the bootstrap median lives on the values, so it jumps by their gaps
    assert found.low[0] == pytest.approx(expected[0], abs=0.5 * near)
    assert found.high[0] == pytest.approx(expected[1], abs=0.5 * near)


def test_missing_values_one_user_and_none() -> None:
    values = np.array([[1.0, np.nan, 3.0, np.nan], [2.0, np.nan, np.nan, np.nan], [3.0, np.nan, 5.0, 7.0]])
    for found in (mean_intervals(values, 0), median_intervals(values, 0)):
        assert list(found.users) == [3, 0, 2, 1]
        np.testing.assert_allclose(found.value, [2, np.nan, 4, 7])
        assert np.isnan(found.low[[1, 3]]).all()
    alone = mean_intervals(values[:, [2]], 0)
    assert alone.low[0] == mean_intervals(values, 0).low[2]
