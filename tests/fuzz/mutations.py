"""Inputs for fuzz tests: any JSON value, good objects of which some entries are changed, and spoilt bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

numbers = st.integers() | st.floats() | st.sampled_from([0, -1, 2**63, 10**40, 1e308, -0.0])
words = st.text(max_size=8) | st.sampled_from(
    ["", " ", "\n", "\ud800", "null", "1", "true", "../x", "\u202e", "a" * 999]
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
"""Any value that JSON can hold, and NaN and infinities, which Python's JSON can."""


@st.composite
def mutated(draw: st.DrawFn, good: Mapping[str, Any], more: Sequence[str] = ()) -> dict[str, Any]:
    """A good object, of which some entries are dropped, replaced or added.

    Args:
        more: names of entries that `good` lacks.
    """
    out = dict(good)
    for key in draw(st.lists(st.sampled_from([*good, *more]) | words, max_size=3)):
        if draw(st.booleans()):
            out.pop(key, None)
        else:
            out[key] = draw(anything)
    return out


@st.composite
def spoilt(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes as they are, mostly; or cut, with some replaced, or others altogether."""
    how = draw(st.sampled_from(["good", "good", "good", "cut", "replaced", "other"]))
    at = draw(st.integers(0, len(good)))
    if how == "cut":
        return good[:at]
    if how == "replaced":
        return good[:at] + draw(st.binary(max_size=4)) + good[at + 4 :]
    return draw(st.binary(max_size=64)) if how == "other" else good


def check_line(error: Exception, path: Path) -> None:
    """An error is one line that names the file or folder, and that any terminal can print."""
    said = str(error)
    assert str(path) in said
    assert len(said.splitlines()) == 1
    said.encode()
