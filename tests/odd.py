"""Inputs that go wrong in one place: valid trees of plain values with something odd in them, for the fuzz tests."""

from __future__ import annotations

import copy
import datetime
from typing import Any

from hypothesis import strategies as st

TEXTS = [
    *(
        "",
        " ",
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "~nouser/x",
        "a\0b",
        "a\nb",
        "\x1b[2J",
        "\u202e",
        "é",
        "é",
        "🙂\u200d🙂",
    ),
    *("nan", "inf", "-1", "1e999", "true", "null", "[[[[", "{", "=", ":x", "..a:b", "builtins:exit", "os:abort"),
    *("x" * 300, "x" * 5000, "$x_{$", "<b>", "=1+1", "offers", "pool.json", "POOL.JSON", "Infinity", "\uff11\uff12"),
]
NUMBERS = [
    0,
    -1,
    1,
    2**31,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**400,
    0.0,
    -0.0,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
)
dates = st.sampled_from([datetime.date(2020, 1, 1), datetime.time(1, 2), datetime.datetime(2020, 1, 1, 2, 3)])
keys = st.one_of(st.sampled_from(TEXTS), st.text(max_size=8))


def values(leaves: st.SearchStrategy[Any] = scalars) -> st.SearchStrategy[Any]:
    """Any plain value: scalars, lists, tables, some of them deep."""
    deep = st.builds(lambda leaf, depth: _nested(leaf, depth), leaves, st.sampled_from([2, 20, 200]))
    wide = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(keys, v, max_size=3), max_leaves=5)
    return st.one_of(leaves, wide, deep)


def _nested(leaf: object, depth: int) -> object:
    for _ in range(depth):
        leaf = [leaf]
    return leaf


@st.composite
def mutated(draw: st.DrawFn, tree: Any, leaves: st.SearchStrategy[Any] = scalars) -> Any:
    """A copy of a tree of dictionaries and lists with one to three places changed, dropped, doubled or added."""
    found = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = {"": found}
        key: Any = ""
        while isinstance(holder[key], dict | list) and holder[key] and draw(st.integers(0, 3)):
            holder = holder[key]
            key = draw(st.sampled_from(sorted(holder, key=str) if isinstance(holder, dict) else range(len(holder))))
        how = draw(st.sampled_from(["change", "drop", "add", "double"]))
        if how == "drop" and key != "":
            del holder[key]
        elif how == "add" and isinstance(holder, dict) and key != "":
            holder[draw(keys)] = draw(values(leaves))
        elif how == "double" and isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[key] = draw(values(leaves))
        if "" in holder and key == "":
            found = holder[""]
    return found
