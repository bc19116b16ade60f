"""Styles in words: how much more likely than of others the summarizer is to name each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from strategies.xpert.basis import Floats

ALIKE = 0.8
"""Words whose strengths over the pool correlate by this say the same, and one of them stands for all."""
ERRORS = 2.0
"""Standard errors from 0 by which a user has more, or less, of a word."""


@dataclass(frozen=True)
class Naming:
    """Words that say different things, and how they are read off the hidden state where the summarizer's reply begins.

    A word's strength is its logit at that state beyond its logit at the pool's mean state, in nats, less what all words
    gain together, which says nothing of a style: at 1 the summarizer prefers the word to the others e times as much as
    it does for the pool.

    Args:
        rows: float32 (words, width), the output layer's less the mean over all words that were proposed.
        origin: float32 (width,), the pool's mean state.
    """

    words: tuple[str, ...]
    rows: Floats
    origin: Floats

    @classmethod
    def of(cls, words: Sequence[str], rows: Floats, states: Floats) -> Naming:
        """For a pool of these states (pLLMs, width); of words that say the same the one by which pLLMs differ most."""
        rows, origin = rows - rows.mean(axis=0), states.mean(axis=0)
        kept = _different((states - origin) @ rows.T)
        return cls(tuple(words[i] for i in kept), rows[kept].astype(np.float32), origin.astype(np.float32))

    def strengths(self, states: Floats) -> dict[str, float]:
        """How much of each word texts have, more or less than the pool, the largest first.

        Of several texts a word is left out that may well be chance: whose mean is within `ERRORS` standard errors of 0.

        Args:
            states: one state a text, (texts, width).
        """
        each = (np.asarray(states, dtype=np.float64) - self.origin) @ self.rows.T.astype(np.float64)
        much, count = each.mean(axis=0), len(each)
        error = each.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros_like(much)
        shown = np.flatnonzero(np.abs(much) > ERRORS * error).tolist()
        return {self.words[i]: float(much[i]) for i in sorted(shown, key=lambda i: (-much[i], i))}

    def payload(self) -> dict[str, object]:
        """What a phone needs to know of it."""
        return {"words": list(self.words), "rows": self.rows, "origin": self.origin}

    @classmethod
    def of_payload(cls, payload: Mapping[str, object]) -> Naming:
        words = cast(list[str], payload["words"])
        return cls(tuple(words), np.asarray(payload["rows"]), np.asarray(payload["origin"]))


def proposed(votes: Sequence[Mapping[str, float]], most: int) -> list[str]:
    """Words by how probable they are as replies over all pLLMs, the most probable first."""
    total: dict[str, float] = {}
    for mine in votes:
        for word, probability in mine.items():
            total[word] = total.get(word, 0.0) + probability
    return sorted(total, key=lambda word: (-total[word], word))[:most]


def _different(profiles: Floats) -> list[int]:
    """Columns of (pLLMs, words) none of which is like another, those of the largest differences first."""
    apart = profiles - profiles.mean(axis=0)
    length = np.linalg.norm(apart, axis=0)
    units = apart / np.maximum(length, 1e-12)
    kept: list[int] = []
    for word in np.argsort(-length, kind="stable").tolist():
        if length[word] > 1e-9 and all(float(units[:, word] @ units[:, other]) < ALIKE for other in kept):
            kept.append(word)
    return kept
