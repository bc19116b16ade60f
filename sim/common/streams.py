"""Random streams: one per (seed, user, purpose), so results depend on neither order nor number of workers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np


@lru_cache(maxsize=1024)
def _hash(part: str) -> int:
    return zlib.crc32(part.encode())


def stream(seed: int, *key: str | int) -> np.random.Generator:
    """Return the random generator of a key, for example `stream(seed, user_id, "texts")`.

    Parts are hashed with CRC-32 (stable between processes, unlike `hash`) into numpy's SeedSequence.
    """
    words = [part if isinstance(part, int) else _hash(part) for part in key]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


class Streams(np.random.Generator):
    """The streams of many users as one generator: every draw of n takes one from each of the n users' own.

    So formulas over arrays of users, as those of `devices`, draw for each user exactly what the user's stream alone
    would give. Has the methods that those formulas use; `size` is the number of users, or starts with it.
    """

    def __init__(self, seed: int, users: Iterable[int], purpose: str) -> None:
        super().__init__(np.random.PCG64(0))  # a Generator by type only: nothing is drawn from itself
        self._own = [stream(seed, user, purpose) for user in users]

    def _each(self, size: Any, draw: Callable[[np.random.Generator, Any], Any]) -> Any:
        shape = size if isinstance(size, tuple) else (size,)
        if shape[0] != len(self._own):
            raise ValueError(f"{len(self._own)} users cannot draw {shape[0]}")
        rest = shape[1:] or None
        return np.array([draw(own, rest) for own in self._own])

    def random(self, size: Any = None, *_: Any, **__: Any) -> Any:
        return self._each(size, lambda own, rest: own.random(rest))

    def standard_normal(self, size: Any = None, *_: Any, **__: Any) -> Any:
        return self._each(size, lambda own, rest: own.standard_normal(rest))

    def integers(self, low: Any, high: Any = None, size: Any = None, *_: Any, **__: Any) -> Any:
        return self._each(size, lambda own, rest: own.integers(low, high, size=rest))

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None, *_: Any, **__: Any) -> Any:
        values = np.arange(a) if isinstance(a, int) else np.asarray(a)
        if p is None:
            return values[self.integers(0, len(values), size=size)]
        upto = np.cumsum(p)  # as numpy's own `choice` goes about it
        upto /= upto[-1]
        return values[upto.searchsorted(self.random(size), side="right")]
