"""Random streams: one per (seed, user, purpose), so results depend on neither order nor number of workers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NoReturn, TypeAlias

import numpy as np

Size: TypeAlias = int | tuple[int, ...] | None


@lru_cache(maxsize=1024)
def _hash(part: str) -> int:
    return zlib.crc32(part.encode())


def stream(seed: int, *key: str | int) -> np.random.Generator:
    """The random generator of a key, for example `stream(seed, user_id, "texts")`.

    Parts are hashed with CRC-32 (stable between processes, unlike `hash`) into numpy's SeedSequence.
    """
    words = [part if isinstance(part, int) else _hash(part) for part in key]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


def tuning_seed(seed: int) -> int:
    """The seed of the users and pLLMs that settings are tuned on: none that anybody names (2^62 or more)."""
    return int(stream(seed, "tuning").integers(2**62, 2**63))


class Streams(np.random.Generator):
    """The streams of many users as one generator: every draw of n takes one from each of the n users' own.

    So formulas over arrays of users, as those of `devices`, draw for each user exactly what the user's stream alone
    would give. `size` is the number of users, or a shape that starts with it. Only what is written here may be called:
    any other method of a Generator, which would draw the same for whatever users, is refused by AttributeError.
    """

    def __init__(self, seed: int, users: Iterable[int], purpose: str) -> None:
        super().__init__(np.random.PCG64(0))  # a Generator by type only: nothing is drawn from itself
        self._own = [stream(seed, user, purpose) for user in users]

    def __repr__(self) -> str:
        return f"Streams of {len(self._own)} users"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("Streams are neither copied nor pickled: numpy would make one Generator of them")

    def _each(self, size: Size, draw: Callable[[np.random.Generator, Size], object]) -> np.ndarray:
        shape = size if isinstance(size, tuple) else (size,)
        if shape[0] != len(self._own):
            raise ValueError(f"{len(self._own)} users cannot draw {shape[0]}")
        rest = shape[1:] or None
        return np.array([draw(own, rest) for own in self._own])

    def random(self, size: Size = None) -> np.ndarray:  # type: ignore[override]
        return self._each(size, lambda own, rest: own.random(rest))

    def standard_normal(self, size: Size = None) -> np.ndarray:  # type: ignore[override]
        return self._each(size, lambda own, rest: own.standard_normal(rest))

    def integers(self, low: int, high: int | None = None, size: Size = None) -> np.ndarray:  # type: ignore[override]
        return self._each(size, lambda own, rest: own.integers(low, high, size=rest))

    def choice(  # type: ignore[override]
        self, a: int | np.ndarray, size: Size = None, *, p: np.ndarray | None = None
    ) -> np.ndarray:
        values = np.arange(a) if isinstance(a, int) else np.asarray(a)
        if p is None:
            return np.asarray(values[self.integers(0, len(values), size=size)])
        upto = np.cumsum(p)  # as numpy's own `choice` goes about it
        upto /= upto[-1]
        return np.asarray(values[upto.searchsorted(self.random(size), side="right")])


def _refused(name: str) -> property:
    def refuse(self: Streams) -> NoReturn:
        raise AttributeError(
            f"Streams has no {name}: numpy's would draw the same for whatever users; write it in sim/common/streams.py"
        )

    return property(refuse)


for _name in dir(np.random.Generator):
    if not _name.startswith("_") and _name not in vars(Streams):
        setattr(Streams, _name, _refused(_name))
