"""Styles in words: how much more likely than of others the summarizer is to name each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from strategies.xpert.basis import Floats

ALIKE = 0.8
"""Words whose strengths over the pool correlate by this say the same, and the stronger one is shown."""
ERRORS = 2.0
"""Standard errors from 0 by which a user has more, or less, of a word."""


@dataclass(frozen=True)
class Naming:
    """Words, and how they are read off the hidden state where the summarizer's reply begins.

    A word's strength is its logit at that state beyond its logit at the pool's mean state, in nats, less what all words
    gain together, which says nothing of a style: at 1 the summarizer prefers the word to the others e times as much as it
    does for the pool.

    Args:
        rows: float32 (words, width), the output layer's less their mean. origin: float32 (width,), the pool's mean state.
        groups: which words say the same, by the number of their group, (words,).
    """

    words: tuple[str, ...]
    rows: Floats
    origin: Floats
    groups: tuple[int, ...]

    @classmethod
    def of(cls, words: Sequence[str], rows: Floats, states: Floats) -> Naming:
        """For a pool of these states (pLLMs, width). Of words with the same row the first is kept."""
        _, first = np.unique(rows, axis=0, return_index=True)
        kept = sorted(first.tolist())
        rows, origin = rows[kept] - rows[kept].mean(axis=0), states.mean(axis=0)
        groups = _alike((states - origin) @ rows.T)
        return cls(tuple(words[i] for i in kept), rows.astype(np.float32), origin.astype(np.float32), groups)

    def strengths(self, states: Floats) -> dict[str, float]:
        """How much of each word texts have, more or less than the pool: the strongest of each group.

        Of several texts a word is left out that may well be chance: whose mean is within `ERRORS` standard errors of 0.
        The largest come first, so what a style is before what it is not.

        Args:
            states: one state a text, (texts, width).
        """
        each = (np.asarray(states, dtype=np.float64) - self.origin) @ self.rows.T.astype(np.float64)
        much, count = each.mean(axis=0), len(each)
        error = each.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros_like(much)
        strongest: dict[int, int] = {}
        for i in np.argsort(-np.abs(much), kind="stable").tolist():
            strongest.setdefault(self.groups[i], i)
        shown = [i for i in strongest.values() if abs(much[i]) > ERRORS * error[i]]
        return {self.words[i]: float(much[i]) for i in sorted(shown, key=lambda i: (-much[i], i))}

    def payload(self) -> dict[str, object]:
        """What a phone needs to know of it."""
        return {"words": list(self.words), "rows": self.rows, "origin": self.origin, "groups": list(self.groups)}

    @classmethod
    def of_payload(cls, payload: Mapping[str, object]) -> Naming:
        words, groups = cast(list[str], payload["words"]), cast(list[int], payload["groups"])
        return cls(tuple(words), np.asarray(payload["rows"]), np.asarray(payload["origin"]), tuple(groups))


def proposed(votes: Sequence[Mapping[str, float]], most: int) -> list[str]:
    """Words by how probable they are as replies over all pLLMs, the most probable first."""
    total: dict[str, float] = {}
    for mine in votes:
        for word, probability in mine.items():
            total[word] = total.get(word, 0.0) + probability
    return sorted(total, key=lambda word: (-total[word], word))[:most]


def _alike(profiles: Floats) -> tuple[int, ...]:
    """Numbers of groups of columns (pLLMs, words): each word joins the first group whose first word it is like."""
    apart = profiles - profiles.mean(axis=0)
    units = apart / np.maximum(np.linalg.norm(apart, axis=0), 1e-12)
    heads: list[int] = []
    out = np.zeros(profiles.shape[1], dtype=int)
    for word in np.argsort(-np.linalg.norm(apart, axis=0), kind="stable").tolist():
        like = [float(units[:, word] @ units[:, head]) for head in heads]
        if not like or max(like) < ALIKE:
            heads.append(word)
            like.append(1.0)
        out[word] = int(np.argmax(like))
    return tuple(out.tolist())
