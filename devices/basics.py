"""Types that the whole package shares (numbers or arrays of them), and the error for unknown names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

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
        close = list(nearest or get_close_matches(name.lower(), names, n=3, cutoff=0.5))
        few = names if len(names) <= 8 else []
        hint = f"; nearest: {', '.join(close)}" if close else f"; known: {', '.join(few)}" if few else ""
        super().__init__(f"unknown {kind} {name!r}{hint} ({len(names)} known)")
