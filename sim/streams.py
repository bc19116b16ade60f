"""Random streams: one per (seed, user, purpose), so results depend on neither order nor number of workers."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *key: str | int) -> np.random.Generator:
    """Return the random generator of a key, for example `stream(seed, user_id, "texts")`.

    Parts are hashed with CRC-32 (stable between processes, unlike `hash`) into numpy's SeedSequence.
    """
    words = [part if isinstance(part, int) else zlib.crc32(part.encode()) for part in key]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))
