"""Words of styles: like ones stand for each other, chance is not shown."""

from __future__ import annotations

import numpy as np

from strategies.xpert.naming import Naming, proposed

ROWS = np.array([[1.0, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
WORDS = ["warm", "kind", "short", "brief", "loud"]
POOL = np.array([[2.0, 0, 0], [-2, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 0.1], [0, 0, -0.1]])


def test_words_that_go_together_over_the_pool_are_one_group() -> None:
    naming = Naming.of(WORDS, ROWS, POOL)
    group = dict(zip(naming.words, naming.groups, strict=True))
    assert group["warm"] == group["kind"]
    assert len({group["warm"], group["short"], group["loud"]}) == 3
    assert "brief" not in group, "it has the row of 'short'"


def test_the_strongest_of_a_group_is_shown_the_largest_first() -> None:
    said = Naming.of(WORDS, ROWS, POOL).strengths(np.array([[1.0, -3.0, 0.5]]))
    assert list(said) == ["warm", "loud", "short"]
    np.testing.assert_allclose(list(said.values()), [1.0, 0.5, -3.0], atol=1e-6)


def test_what_may_be_chance_is_left_out() -> None:
    naming = Naming.of(WORDS, ROWS, POOL)
    steady, both = np.array([1.0, 0, 0]), np.array([[0, 3.0, 0], [0, -2.9, 0]])
    assert list(naming.strengths(np.vstack([steady + both, steady + both]))) == ["warm"]
    assert naming.strengths(np.zeros((4, 3))) == {}


def test_a_phone_gets_all_that_it_needs() -> None:
    naming = Naming.of(WORDS, ROWS, POOL)
    state = np.array([[0.3, 0.2, -0.4]])
    assert Naming.of_payload(naming.payload()).strengths(state) == naming.strengths(state)


def test_words_that_many_propose_come_first() -> None:
    votes = [{"warm": 0.5, "kind": 0.1}, {"kind": 0.2, "loud": 0.35}, {"loud": 0.2}]
    assert proposed(votes, 2) == ["loud", "warm"]
