"""Words of styles: like ones stand for each other, chance is not shown."""

from __future__ import annotations

import numpy as np

from strategies.xpert.naming import Naming, proposed

ROWS = np.array([[1.0, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
WORDS = ["warm", "kind", "short", "brief", "loud"]
POOL = np.array([[2.0, 0, 0], [-2, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 0.1], [0, 0, -0.1]])


def test_of_words_that_go_together_over_the_pool_one_stands_for_all() -> None:
    assert set(Naming.of(WORDS, ROWS, POOL).words) == {"warm", "short", "loud"}, "'brief' has the row of 'short'"


def test_the_largest_come_first_and_what_all_words_gain_is_left_out() -> None:
    state = np.array([[1.0, -3.0, 0.5]])
    said = Naming.of(WORDS, ROWS, POOL).strengths(state)
    assert list(said) == ["warm", "loud", "short"]
    mean = (state @ ROWS.T).mean()
    np.testing.assert_allclose(list(said.values()), [1.0 - mean, 0.5 - mean, -3.0 - mean], atol=1e-6)


def test_what_may_be_chance_is_left_out() -> None:
    """Of four texts that are all warm, and by turns short and long."""
    rows = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    naming = Naming.of(["warm", "cold", "short", "long"], rows, POOL)
    texts = np.array([[1.0, 3.0, 0], [1.1, -2.9, 0], [0.9, 3.0, 0], [1.0, -2.9, 0]])
    assert list(naming.strengths(texts)) == ["warm", "cold"]
    assert naming.strengths(np.zeros((4, 3))) == {}


def test_a_phone_gets_all_that_it_needs() -> None:
    naming = Naming.of(WORDS, ROWS, POOL)
    state = np.array([[0.3, 0.2, -0.4]])
    assert Naming.of_payload(naming.payload()).strengths(state) == naming.strengths(state)


def test_words_that_many_propose_come_first() -> None:
    votes = [{"warm": 0.5, "kind": 0.1}, {"kind": 0.2, "loud": 0.35}, {"loud": 0.2}]
    assert proposed(votes, 2) == ["loud", "warm"]
