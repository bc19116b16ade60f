"""Types that the whole package shares (numbers or arrays of them), the error for unknown names, JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
"""An array of float64; for a single phone one of shape (), or numpy's own scalar."""
Flags = npt.NDArray[np.bool_]
"""An array of True and False, shaped like `Floats`."""
Words = npt.NDArray[np.str_]
"""An array of text, shaped like `Floats`."""
Numbers = float | Floats | npt.NDArray[np.int64]
"""A number, or an array of them: every formula takes both, and arrays broadcast."""


def floats(numbers: Numbers) -> Floats:
    """The numbers as float64, which is what the formulas compute with."""
    return np.asarray(numbers, dtype=np.float64)


class UnknownName(ValueError):  # noqa: N818 - it names what is unknown
    """A name that is not known: one line with the kind, the name, and the nearest known names (all, if few)."""

    def __init__(self, kind: str, name: str, known: Iterable[str], nearest: Iterable[str] | None = None) -> None:
        names = list(known)
        close = list(get_close_matches(name.lower(), names, n=3, cutoff=0.6) if nearest is None else nearest)
        few = names if len(names) <= 8 else []
        hint = f"; nearest: {', '.join(close)}" if close else f"; known: {', '.join(few)}" if few else ""
        super().__init__(f"unknown {kind} {name!r}{hint} ({len(names)} known)")


def read_object(path: Path) -> dict[str, object]:
    """The object that a JSON file holds.

    Python's own reader takes the last of several entries of one name, and NaN; here both are refused.
    Raises: ValueError naming the file, for anything else than one object in UTF-8. OSError.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not JSON of one object: it holds {type(found).__name__}")
    return found


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON (`object_pairs_hook`), in which no key may be repeated."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
