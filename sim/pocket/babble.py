"""Babble: nonsense that sounds like the texts it was made from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

MOST = 120
"""Words of one babble at most."""


class Babble:
    """Markov chains over words, of one and of two words back."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._after: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for text in texts:
            words = ["", "", *re.findall(r"\S+\s*", text), ""]
            for first, second, third in zip(words, words[1:], words[2:], strict=False):
                self._after[first, second].append(third)
                self._after[second,].append(third)

    def __call__(self, rng: np.random.Generator) -> str:
        """One text, by a chain of one or two words back as chance will have it."""
        back, words = 1 + int(rng.random() < 0.5), ["", ""]
        while len(words) < MOST + 2:
            follow = self._after[tuple(words[-back:])]
            words.append(follow[int(rng.integers(len(follow)))])
            if not words[-1]:
                break
        return "".join(words).strip()
