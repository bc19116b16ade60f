"""Sizes and lengths of the pocket LLMs' training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[str, int, int], None]
"""Called with (stage, step, steps)."""


@dataclass(frozen=True)
class Size:
    """Of a Llama with tied embeddings."""

    width: int
    layers: int
    heads: int
    mlp: int


@dataclass(frozen=True)
class Recipe:
    """Sizes and lengths of training. Bump `version` when the code changes what comes out."""

    vocabulary: int = 4096
    size: Size = Size(width=96, layers=4, heads=4, mlp=256)
    max_tokens: int = 160
    compare_tokens: int = 320
    base_steps: int = 5000
    sentence_steps: int = 300
    answer_steps: int = 300
    summarizer_steps: int = 600
    batch: int = 16
    lr: float = 4e-3
    other_share: float = 0.1
    seed: int = 0
    version: int = 6


QUICK = Recipe(
    vocabulary=2048, base_steps=1500, sentence_steps=300, answer_steps=200, summarizer_steps=600, compare_tokens=256
)
"""For corpora of long real texts: minutes, not a quarter of an hour."""
