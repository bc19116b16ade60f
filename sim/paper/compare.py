"""Every published value beside ours: the row of records that answers it, and whether its interval contains the value.

The rule: the published value, as exactly as it is known, and the 95 % interval of ours overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.analysis.bootstrap import BOUNDS, RESAMPLES, mean_intervals
from sim.analysis.run.latent import LevelDistances, latent_space
from sim.common.streams import stream
from sim.paper.records import Bounds, Question, Records
from sim.published import Ours, Paper, Section, Series
from sim.records.savings import share_saved

INSIDE, OUTSIDE, NO_INTERVAL, NO_VALUE = "inside", "outside", "no interval", "no published value"
NOT_RUN, NOT_IN_RECORDS, NOT_MEASURED = "not run", "not in these records", "not measured"


@dataclass(frozen=True)
class Row:
    """A published value beside ours, both in the unit that is compared.

    Attributes: `published` and `within` are None where our notes have no value, `estimate` where our records have none;
    `state` is one of the constants above.
    """

    section: Section
    series: Series
    ours: Ours | None
    point: str
    published: float | None
    within: float | None
    estimate: Bounds | None
    state: str

    @property
    def why(self) -> str:
        """Why ours lies outside, as the data file says; empty elsewhere, and where it says nothing."""
        return self.ours.reason(self.point) if self.ours and self.state == OUTSIDE else ""


def compare(paper: Paper, records: Records) -> list[Row]:
    """A row for every published value and everything of ours that stands beside it, in the order of the data file."""
    rows = []
    for section in paper.section:
        for series in section.series:
            for ours in series.ours or (None,):
                rows += [_row(section, series, ours, point, records) for point in series.points]
    return rows


def unexplained(rows: list[Row]) -> list[Row]:
    """The rows that lie outside and do not say why."""
    return [row for row in rows if row.state == OUTSIDE and not row.why]


def stale(rows: list[Row]) -> list[Row]:
    """The rows for which the data file says why they lie outside, and which do not."""
    return [row for row in rows if row.ours and row.point in row.ours.why and row.state in (INSIDE, NO_INTERVAL)]


def is_inside(published: float, within: float, estimate: Bounds) -> bool:
    """The rule. Rounding errors of the arithmetic do not decide."""
    slack = 1e-9 * max(1.0, abs(published))
    return published - within <= estimate.high + slack and published + within >= estimate.low - slack


def _row(section: Section, series: Series, ours: Ours | None, point: str, records: Records) -> Row:
    known = point in series.published
    value, within = (series.value(point), series.within(point)) if known else (None, None)
    if ours is None:
        return Row(section, series, ours, point, value, within, None, NOT_MEASURED)
    where = {**series.where, **({series.key: point} if series.key else {})}
    question = records.question(series.records, where)
    estimate = None if question is None else _estimate(question, ours, point)
    if question is None:
        state = NOT_RUN
    elif estimate is None:
        state = NOT_IN_RECORDS
    elif value is None or within is None:
        state = NO_VALUE
    elif math.isnan(estimate.low):
        state = NO_INTERVAL
    else:
        state = INSIDE if is_inside(value, within, estimate) else OUTSIDE
    return Row(section, series, ours, point, value, within, estimate, state)


def _estimate(question: Question, ours: Ours, point: str) -> Bounds | None:
    if ours.levels:
        return _levels(question, ours.levels, point)
    if ours.against:
        return _saved(question, ours)
    found = question.bounds(ours.strategy, ours.metric, ours.rule)
    return None if found is None else _scaled(ours.factor, found)


def _scaled(factor: float, found: Bounds) -> Bounds:
    return Bounds(*(factor * number for number in found))


def _saved(question: Question, ours: Ours) -> Bounds | None:
    """The share of a metric that is saved against another strategy, user by user."""
    everyone = question.everyone
    if not {ours.strategy, ours.against} <= set(everyone.strategies):
        return None
    values = everyone.metrics(ours.rule)[ours.metric]
    shares = share_saved(values[[ours.strategy]].to_numpy(), values[[ours.against]].to_numpy())
    found = mean_intervals(shares, everyone.sample, everyone.seed)
    bounds = Bounds(*(float(part[0]) for part in (found.value, found.low, found.high)))
    return None if math.isnan(bounds.mean) else _scaled(ours.factor, bounds)


def _levels(question: Question, axis: str, point: str) -> Bounds | None:
    """A normalised distance between two levels, a mean over runs; runs and the pLLMs of each level are drawn anew."""
    found = list(_axes(question, axis))
    i, j = (int(level) - 1 for level in point.split("-"))
    if not found or any(max(i, j) >= len(distances.levels) for distances in found):
        return None
    rng = stream(question.everyone.seed, "levels")
    drawn = np.stack([distances.drawn(rng, RESAMPLES)[:, i, j] for distances in found], axis=1)
    which = rng.integers(0, len(found), drawn.shape)
    means = np.take_along_axis(drawn, which, axis=1).mean(1)
    mean = float(np.mean([distances.normalised[i, j] for distances in found]))
    if len(found) < 2 and np.bincount(found[0].level).max() < 2:
        return Bounds(mean, math.nan, math.nan)  # one run with one pLLM a level: nothing is known of the spread
    low, high = (float(end) for end in np.percentile(means, BOUNDS))
    return Bounds(mean, min(low, mean), max(high, mean))


def _axes(question: Question, axis: str) -> Iterator[LevelDistances]:
    for run in question.everyone.runs:
        yield from (distances for distances in latent_space(run) if distances.axis == axis)
