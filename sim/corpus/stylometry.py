"""Adjectives for texts whose styles have no names, from what can be counted in them.

A corpus such as XPerT's numbers its styles. To train a summarizer on it without telling it any style's name, each
pair of texts gets the adjectives of the features in which the second differs most from the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

# feature: (adjective when the second text has more of it, when it has less)
FEATURES: dict[str, tuple[str, str]] = {
    "length": ("lengthy", "brief"),
    "sentence_length": ("elaborate", "choppy"),
    "word_length": ("technical", "simple"),
    "exclamations": ("lively", "calm"),
    "questions": ("inquisitive", "assertive"),
    "emoji": ("playful", "sober"),
    "you": ("personal", "impersonal"),
    "contractions": ("informal", "formal"),
    "lists": ("structured", "flowing"),
    "commas": ("intricate", "plain"),
}
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")


def measure(text: str) -> np.ndarray:
    """Values of FEATURES for a text, each on a scale on which a difference of about 1 is plain to a reader."""
    words = re.findall(r"[^\W\d_]+(?:['\u2019][a-z]+)?", text) or ["x"]
    sentences = max(1, len(re.findall(r"[.!?]+(?:\s|$)", text)))
    per_sentence = 3.0 / sentences
    lower = [w.lower() for w in words]
    return np.array(
        [
            np.log(len(words)) * 2,
            np.log(len(words) / sentences) * 2,
            float(np.mean([len(w) for w in words])),
            text.count("!") * per_sentence,
            text.count("?") * per_sentence,
            len(_EMOJI.findall(text)) * per_sentence,
            sum(w in ("you", "your", "you're", "you\u2019re") for w in lower) * 20 / len(words),
            sum("'" in w or "\u2019" in w for w in lower) * 20 / len(words),
            len(re.findall(r"(?m)^\s*(?:[-*\u2022]|\d+[.)])\s", text)) * 0.5,
            text.count(",") * 10 / len(words),
        ]
    )


def adjectives(plain: str, styled: str, most: int = 3, least: float = 0.5) -> Sequence[str]:
    """Words for how `styled` differs from `plain`: those of up to `most` features that differ by `least` or more."""
    difference = measure(styled) - measure(plain)
    order = np.argsort(-np.abs(difference))[:most]
    pairs = list(FEATURES.values())
    return [pairs[i][0 if difference[i] > 0 else 1] for i in order if abs(difference[i]) >= least]


VOCABULARY = frozenset(word for pair in FEATURES.values() for word in pair)
