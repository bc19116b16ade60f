"""docs/paper.md is that of the committed records, and says of every value outside why."""

from __future__ import annotations

import pytest

from docs.make.pages import DOCS, describe_paper
from docs.make.summaries import REFERENCE
from sim.paper.compare import Row, compare, stale, unexplained
from sim.paper.records import Records
from sim.published import paper


@pytest.fixture(scope="module")
def published() -> list[Row]:
    """Published values beside the committed records."""
    return compare(paper(), Records(REFERENCE))


def test_page_is_up_to_date(published: list[Row]) -> None:
    assert (DOCS / "paper.md").read_text(encoding="utf-8") == describe_paper(published), "run `headstart paper`"


def test_every_value_outside_says_why(published: list[Row]) -> None:
    """In sim/published/xpert.toml."""
    assert [(row.series.id, row.point, row.ours) for row in unexplained(published)] == []


def test_no_value_inside_says_why_it_is_outside(published: list[Row]) -> None:
    assert [(row.series.id, row.point, row.ours) for row in stale(published)] == []
