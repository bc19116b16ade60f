"""Inputs that go wrong in one place, for the fuzz tests, and what a reader may do with them.

Any plain value; a sound tree or record with something of it changed; bytes that were spoilt.
"""

from __future__ import annotations

import copy
import datetime
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

TEXTS = [
    *("", " ", "\0", "\n", "\r\n", "\t", "a\0b", "a\nb", "\x1b[2J", "\ud800", "\ufeff", "\u202e", "\u200b"),
    *(".", "..", "../x", "/etc/passwd", "~nouser/x", "offers", "pool.json", "POOL.JSON"),
    *("①", "x²", "٣", "\uff11\uff12", "é", "e\u0301", "👨‍👩‍👧", "x" * 300, "x" * 5000, "1" * 5000),
    *("nan", "NaN", "inf", "Infinity", "-1", "1e999", "true", "null", "user 1", ":x", "..a:b", "builtins:exit"),
    *(
        "=1+1",
        "_",
        "$\\frac$",
        "$x_{$",
        "[/]",
        "<b>",
        "a|b",
        "a,b",
        "a+b",
        '"',
        "'",
        "\\",
        "[[[[",
        "{",
        "=",
        "os:abort",
    ),
]
NUMBERS = [0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400]
NUMBERS += [0.0, -0.0, 1.5, 1e-320, 5e-324, 1e308, float("nan"), float("inf"), float("-inf")]

texts = st.sampled_from(TEXTS) | st.text(max_size=12)
numbers = st.sampled_from(NUMBERS) | st.integers() | st.floats()
scalars = st.none() | st.booleans() | numbers | texts
dates = st.sampled_from([datetime.date(2020, 1, 1), datetime.time(1, 2), datetime.datetime(2020, 1, 1, 2, 3)])


def values(leaves: st.SearchStrategy[Any] = scalars) -> st.SearchStrategy[Any]:
    """Any plain value: scalars, lists, tables, some of them deep."""
    deep = st.builds(_nested, leaves, st.sampled_from([2, 20, 200]))
    wide = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3), max_leaves=5)
    return leaves | wide | deep


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
            holder[draw(texts)] = draw(values(leaves))
        elif how == "double" and isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[key] = draw(values(leaves))
        if "" in holder and key == "":
            found = holder[""]
    return found


@st.composite
def changed(
    draw: st.DrawFn,
    record: Mapping[str, Any],
    cells: st.SearchStrategy[Any] | None = None,
    more: Sequence[str] = (),
) -> dict[str, Any]:
    """A record as it is, or with a few of its entries changed, left out or joined by others.

    Args:
        cells: what entries are changed to; None: any plain value.
        more: names of entries that the record lacks.
    """
    out = dict(record)
    for key in draw(st.lists(st.sampled_from([*record, *more]) | texts, max_size=3)):
        if draw(st.booleans()):
            out.pop(key, None)
        else:
            out[key] = draw(values() if cells is None else cells)
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


def accepted(read: Callable[[], Any], error: type[Exception], named: object) -> Any:
    """What a reader returns; None where it refuses, which it does with one kind of error and in one line.

    The line names the file or folder, and any terminal can print it.
    """
    try:
        return read()
    except error as refusal:
        said = str(refusal)
    assert str(named) in said
    assert len(said.splitlines()) == 1
    said.encode()
    return None


def fill(folder: Path, content: Mapping[str, bytes]) -> Path:
    """The folder, anew, with files of that content."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return folder
