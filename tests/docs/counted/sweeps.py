"""What docs/sweeps.md says: how often intervals hold the truth, and what the shipped sweeps ask."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from sim.analysis.bootstrap import Sample, mean_intervals, share_intervals

SAMPLES = 400


def held(apart: float, replicates: int = 5) -> tuple[int, int]:
    """Percent of intervals of a mean, and of a share, that hold the truth: tests/sim/analysis/test_bootstrap.py."""
    rng, run = np.random.default_rng(7), np.repeat(np.arange(replicates), 60)
    sample = Sample.of(rng.integers(0, 28, len(run)), run)
    styles = 0.5 * rng.normal(size=(sample.cluster.max() + 1, SAMPLES))[sample.cluster]
    values = apart * rng.normal(size=(replicates, SAMPLES))[run] + styles + rng.normal(size=(len(run), SAMPLES))
    mean = mean_intervals(values, sample, 0)
    share = share_intervals((values < 0.84 * np.sqrt(apart**2 + 0.5**2 + 1)).astype(float), sample)
    shares = ((mean.low <= 0) & (mean.high >= 0), (share.low <= 0.79955) & (share.high >= 0.79955))
    first, second = (math.floor(100 * np.mean(share) + 0.5) for share in shares)
    return first, second


def said() -> Iterator[str]:
    same, little, much = held(0), held(0.15), held(0.4)
    yield f"In {SAMPLES} simulated samples of 5 x 60 users of 28 styles"
    yield (
        f"95 % intervals of a mean did in {same[0]} % where replicates do not differ, in {little[0]} % where they "
        f"differ by a standard deviation of 0.15 (users of one style by 1, styles by 0.5), and in {much[0]} % where it "
        f"is 0.4; those of a share in {same[1]}, {little[1]} and {much[1]} %"
    )
    yield f"For 0.4 it is {held(0.4, 3)[0]} % with 3 replicates and {held(0.4, 10)[0]} % with 10"
