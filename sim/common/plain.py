"""Plain values: what JSON can hold, so that a value is the same for every process and its hash follows its content."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TypeAlias, cast

import numpy as np

Plain: TypeAlias = "bool | int | float | str | Sequence[Plain] | Mapping[str, Plain] | None"
"""A JSON value; numbers may be infinite or NaN, as Python's `json` has it."""


def check_plain(value: object, where: str) -> None:
    """Raise TypeError, naming the place, where a value is not plain or has something in it that is not."""
    if isinstance(value, dict):
        for key, inner in value.items():
            check_plain(inner, f"{where}.{_text(key, where)}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            check_plain(inner, f"{where}[{place}]")
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise TypeError(f"{where} is a {type(value).__name__}, which is no plain value")


def as_plain(value: object, where: str) -> Plain:
    """The plain value that says the same: of numpy's numbers and arrays, dates, paths and sets.

    Raises: TypeError, naming the place, for anything that has no such value.
    """
    if isinstance(value, Mapping):
        return {_text(key, where): as_plain(v, f"{where}.{key}") for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(v, f"{where}[{place}]") for place, v in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((as_plain(v, f"{where}{{}}") for v in value), key=json.dumps)
    if isinstance(value, np.ndarray | np.generic):
        return as_plain(value.tolist(), where)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    check_plain(value, where)
    return cast(Plain, value)


def unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON (`object_pairs_hook`), of which Python would keep the last where a key is repeated.

    Raises: ValueError where one is.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found


def _text(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{where} has the key {key!r}; keys of plain values are text")
    return key
