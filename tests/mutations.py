"""What fuzz tests share: values that no reader expects, and sound records with something of them changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

NUMBERS = st.sampled_from([0, -1, 1, 2**63, 10**400, -0.0, 1e-320, 1.5, 1e308, float("nan"), float("inf"), True, False])
ODD_TEXTS = st.sampled_from(
    [
        *("", " ", "\0", "\n", "\r\n", "\t", "\x1b[2J", "\ud800", "\ufeff", "\u202e", "\u200b"),
        *("①", "x²", "٣", "é", "e\u0301", "👨‍👩‍👧", "1" * 5000, "NaN", "null", "user 1"),
        *("=1+1", "_", "$\\frac$", "[/]", "<b>", "a|b", "a,b", "a+b", '"', "'", "\\", "../x"),
    ]
)
TEXTS = ODD_TEXTS | st.text(max_size=12)
JUNK = st.recursive(
    st.none() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)


@st.composite
def mutated(draw: st.DrawFn, record: Mapping[str, Any], values: st.SearchStrategy[Any] = JUNK) -> dict[str, Any]:
    """A record as it is, or with a few of its values changed, left out or joined by others."""
    found = dict(record)
    for _ in range(draw(st.integers(0, 2))):
        key = draw(st.sampled_from(sorted(record)) | TEXTS)
        if draw(st.booleans()):
            found[key] = draw(values)
        else:
            found.pop(key, None)
    return found


def accepted(read: Callable[[], Any], error: type[Exception], named: str) -> Any:
    """What a reader returns; None where it refuses, which it does with one kind of error, in one line that names it."""
    try:
        return read()
    except error as refusal:
        said = str(refusal)
    assert named in said
    assert "\n" not in said
    return None
