"""The pocket LLM: it writes a corpus's default style."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from sim.common.streams import stream
from sim.corpus.base import Corpus
from sim.llm.model import Encoded, LanguageModel
from sim.llm.training.batches import collate, lane_losses
from sim.pocket.fit import bucketed, fit
from sim.pocket.settings import Progress, Recipe


def train_base(lm: LanguageModel, corpus: Corpus, recipe: Recipe, progress: Progress) -> None:
    """Next-token training on default text, with a few percent of other styles.

    A base that has seen all styles equally would leave nothing to personalise (docs/log.md).
    """

    def rows(rng: np.random.Generator) -> Iterator[Encoded]:
        others = corpus.taught
        while True:
            count = 64 * recipe.batch
            odd = int(rng.binomial(count, recipe.other_share))
            texts = corpus.practise(corpus.default, count - odd, rng)
            texts += [corpus.practise(others[int(rng.integers(len(others)))], 1, rng)[0] for _ in range(odd)]
            yield from bucketed(lm.encode(texts, recipe.max_tokens), recipe.batch, rng)

    source = rows(stream(recipe.seed, "base"))

    def loss() -> Tensor:
        batch = collate([next(source) for _ in range(recipe.batch)], 1, lm)
        total, count = lane_losses(lm, batch)
        return (total / count).sum()

    fit(lm, loss, recipe.base_steps, recipe.lr, lambda step: progress("base LLM", step, recipe.base_steps))
