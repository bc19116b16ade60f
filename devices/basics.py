"""What the whole package shares: numbers or arrays of them as a type, and the error for unknown names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = float | int | npt.NDArray[Any]
"""A number, or an array of them: every formula takes both, and arrays broadcast."""


class UnknownName(ValueError):  # noqa: N818 - it names what is unknown
    """A name that is not known: one line with the kind, the name, and the nearest known names (all, if few)."""

    def __init__(self, kind: str, name: str, known: Iterable[str], nearest: Iterable[str] | None = None) -> None:
        names = list(known)
        close = list(nearest or get_close_matches(name.lower(), names, n=3, cutoff=0.5))
        few = names if len(names) <= 8 else []
        hint = f"; nearest: {', '.join(close)}" if close else f"; known: {', '.join(few)}" if few else ""
        super().__init__(f"unknown {kind} {name!r}{hint} ({len(names)} known)")
