"""The share saved against scratch, for one user and for tables of them."""

from __future__ import annotations

import numpy as np

from sim.records.savings import share_saved


def test_share_saved_of_one_and_of_many() -> None:
    assert float(share_saved(25.0, 100.0)) == 0.75
    costs, scratch = np.array([[100.0, 25.0], [8.0, 10.0]]), np.array([[100.0], [8.0]])
    assert share_saved(costs, scratch).tolist() == [[0.0, 0.75], [0.0, -0.25]]


def test_nothing_is_known_without_a_cost_on_either_side() -> None:
    found = share_saved([1.0, np.nan, 1.0, 1.0], [0.0, 2.0, np.nan, -1.0])
    assert np.isnan(found).all()
