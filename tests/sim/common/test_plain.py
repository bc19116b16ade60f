"""What is made plain says the same, and what cannot be is named."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

from sim.common.cache import digest
from sim.common.plain import as_plain


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (datetime.datetime(2026, 1, 2, 3), "2026-01-02T03:00:00"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Path("a/b"), "a/b"),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({"x": (np.bool_(True), None)}, {"x": [True, None]}),
    ],
)
def test_values_become_plain(value: object, plain: object) -> None:
    found = as_plain(value, "here")
    assert found == plain
    assert type(found) is type(plain)


def test_long_arrays_that_differ_in_one_number_have_different_digests() -> None:
    """`str` leaves out the middle of both."""
    one = np.zeros(5000)
    other = one.copy()
    other[2500] = 1
    assert str(one) == str(other)
    assert digest({"a": as_plain(one, "a")}) != digest({"a": as_plain(other, "a")})


@pytest.mark.parametrize("value", [object(), {"x": [print]}, {1: 2}, np.array([object()])])
def test_what_has_no_plain_value_is_named(value: object) -> None:
    with pytest.raises(TypeError, match=r"^here"):
        as_plain(value, "here")
