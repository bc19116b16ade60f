"""Intervals hold the statistic, agree with theory, see what users have in common, and depend on no other column."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from sim.analysis.bootstrap import (
    Sample,
    design_effects,
    holm,
    mean_intervals,
    median_intervals,
    ratio_intervals,
    share_intervals,
)

numbers = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@settings(max_examples=40, deadline=None)
@given(numbers)
def test_the_interval_holds_the_statistic(values: list[float]) -> None:
    column, sample = np.array(values)[:, None], Sample.alone(len(values))
    mean = mean_intervals(column, sample, 0)
    assert mean.low[0] <= mean.value[0] <= mean.high[0]
    assert min(values) - 1e-6 <= mean.low[0] <= mean.high[0] <= max(values) + 1e-6
    median = median_intervals(column, sample)
    assert min(values) <= median.low[0] <= median.high[0] <= max(values)


def test_mean_agrees_with_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(5, 2, (2000, 1))
    found = mean_intervals(values, Sample.alone(2000), 0)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.low[0] == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high[0] == pytest.approx(values.mean() + half, abs=0.1 * half)
    assert found.effect[0] == pytest.approx(1)


@pytest.mark.parametrize("n", [7, 40])
def test_median_agrees_with_resampling(n: int) -> None:
    values = np.random.default_rng(2).exponential(1, n)
    draws = np.random.default_rng(3).choice(values, (20_000, n))
    expected = np.percentile(np.median(draws, axis=1), (2.5, 97.5))
    found = median_intervals(values[:, None], Sample.alone(n))
    near = np.diff(np.sort(values)).max()  # the bootstrap median lives on the values, so it jumps by their gaps
    assert found.low[0] == pytest.approx(expected[0], abs=0.5 * near)
    assert found.high[0] == pytest.approx(expected[1], abs=0.5 * near)


@pytest.mark.parametrize(("right", "of"), [(59, 60), (60, 60), (0, 12), (5, 40)])
def test_shares_are_exact(right: int, of: int) -> None:
    values = np.repeat([1.0, 0.0], [right, of - right])[:, None]
    found, exact = share_intervals(values, Sample.alone(of)), binomtest(right, of).proportion_ci(method="exact")
    assert (found.low[0], found.high[0]) == pytest.approx((exact.low, exact.high))


def test_59_of_60_are_91_to_99_96_percent() -> None:
    found = share_intervals(np.repeat([1.0, 0.0], [59, 1])[:, None], Sample.alone(60))
    assert (round(100 * found.low[0], 1), round(100 * found.high[0], 2)) == (91.1, 99.96)


def test_users_who_vary_together_count_once() -> None:
    """Ten styles of a hundred users, all users of a style alike: as good as ten users."""
    rng = np.random.default_rng(4)
    means = rng.normal(0, 1, (10, 1))
    sample = Sample.of(np.repeat(np.arange(10), 100), np.zeros(1000))
    found, ten = mean_intervals(np.repeat(means, 100, axis=0), sample, 0), mean_intervals(means, Sample.alone(10), 0)
    assert (found.low[0], found.high[0]) == pytest.approx((ten.low[0], ten.high[0]))
    assert found.effect[0] == pytest.approx(100, rel=0.15)
    right = np.repeat([1.0] * 9 + [0.0], 100)[:, None]
    low = share_intervals(right, sample).low[0]
    assert low == pytest.approx(binomtest(9, 10).proportion_ci(method="exact").low, abs=0.03)
    assert low < share_intervals(right, Sample.alone(1000)).low[0] - 0.2


def test_clusters_cover_nine_of_ten_and_users_alone_do_not() -> None:
    """The true mean is 0; of 200 samples of 20 styles and 20 users each, how many intervals hold it."""
    rng = np.random.default_rng(5)
    styles = np.repeat(np.arange(20), 20)
    values = rng.normal(size=(20, 200))[styles] + rng.normal(size=(400, 200))
    held = {}
    for name, sample in (("styles", Sample.of(styles, np.zeros(400))), ("users", Sample.alone(400))):
        found = mean_intervals(values, sample, 0)
        held[name] = ((found.low <= 0) & (found.high >= 0)).mean()
    assert held["styles"] > 0.88
    assert held["users"] < 0.6


@pytest.mark.parametrize(("apart", "least"), [(0.0, 0.95), (0.15, 0.9), (0.4, 0.85)])
def test_five_replicates_cover(apart: float, least: float) -> None:
    """Of 400 samples of 5 x 60 users of 28 styles, how many intervals hold the truth: docs/sweeps.md has the shares.

    Replicates differ by a standard deviation of `apart`, styles by 0.5, users by 1.
    """
    rng, run = np.random.default_rng(7), np.repeat(np.arange(5), 60)
    sample = Sample.of(rng.integers(0, 28, len(run)), run)
    styles = 0.5 * rng.normal(size=(sample.cluster.max() + 1, 400))[sample.cluster]
    values = apart * rng.normal(size=(5, 400))[run] + styles + rng.normal(size=(len(run), 400))
    found = mean_intervals(values, sample, 0)
    held = ((found.low <= 0) & (found.high >= 0)).mean()
    assert held > least
    right = (values < 0.84 * np.sqrt(apart**2 + 0.5**2 + 1)).astype(float)
    share = share_intervals(right, sample)
    held = ((share.low <= 0.79955) & (share.high >= 0.79955)).mean()
    assert held > least - 0.03


def test_runs_vary_above_styles() -> None:
    """Three runs that differ in their mean: the interval spans runs, though each has a hundred users without spread."""
    run = np.repeat([0, 1, 2], 100)
    found = mean_intervals(run.astype(float)[:, None], Sample.of(np.tile(np.arange(100), 3), run), 0)
    assert (found.value[0], found.low[0], found.high[0]) == (1.0, 0.0, 2.0)
    assert found.effect[0] > 50


def test_one_style_alone_leaves_users() -> None:
    sample = Sample.of(np.zeros(5), np.zeros(5))
    assert sample.cluster.tolist() == [0, 1, 2, 3, 4]


def test_a_style_of_two_runs_is_two_clusters() -> None:
    sample = Sample.of(np.array(["a", "b", "a", "b"]), np.array([0, 0, 7, 7]))
    assert sample.cluster.tolist() == [0, 1, 2, 3]
    assert sample.run.tolist() == [0, 0, 1, 1]


def test_ratios_are_of_sums_and_never_below_nothing() -> None:
    over, under = np.array([[1.0, 1.0], [3.0, np.nan], [5.0, 1.0]]), np.array([[2.0, -1.0], [2.0, 5.0], [2.0, 0.5]])
    found = ratio_intervals(over, under, Sample.alone(3), 0)
    assert found.value.tolist() == [1.5, np.inf]
    assert found.users.tolist() == [3, 2]


def test_missing_values_one_user_and_none() -> None:
    values = np.array([[1.0, np.nan, 3.0, np.nan], [2.0, np.nan, np.nan, np.nan], [3.0, np.nan, 5.0, 7.0]])
    sample = Sample.alone(3)
    for found in (mean_intervals(values, sample, 0), median_intervals(values, sample)):
        assert list(found.users) == [3, 0, 2, 1]
        np.testing.assert_allclose(found.value, [2, np.nan, 4, 7])
        assert np.isnan(found.low[[1, 3]]).all()
    alone = mean_intervals(values[:, [2]], sample, 0)
    assert alone.low[0] == mean_intervals(values, sample, 0).low[2]
    assert np.isnan(design_effects(values, sample.cluster)[[1, 3]]).all()
    shares = share_intervals(np.array([[1.0, np.nan], [0.0, np.nan], [1.0, np.nan]]), sample)
    assert shares.users.tolist() == [3, 0]
    assert np.isnan([shares.value[1], shares.low[1], shares.high[1]]).all()


def test_p_is_small_where_the_interval_leaves_nothing_out() -> None:
    values = np.random.default_rng(6).normal([0.0, 1.0], 1, (40, 2))
    found = mean_intervals(values, Sample.alone(40), 0)
    assert found.p[0] > 0.05
    assert found.p[1] < 0.01


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, np.nan, 0.03])).tolist()[:2] == [0.03, 0.06]
    assert holm(np.array([0.01, 0.04, np.nan, 0.03]))[3] == pytest.approx(0.06)
    assert np.isnan(holm(np.array([0.01, np.nan]))[1])
    assert holm(np.array([0.6, 0.9])).tolist() == [1.0, 1.0]
