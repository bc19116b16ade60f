"""A group of pLLMs, fine-tuned."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from math import isfinite
from pathlib import Path

from sim.common.cache import built
from sim.common.disk import write_whole
from sim.common.errors import UserError
from sim.common.streams import stream
from sim.corpus import Corpus
from sim.experiment.config import Config
from sim.llm.finetune import Lane, finetune, plan_of
from sim.llm.lanes import Lanes
from sim.llm.model import LanguageModel
from sim.pool.plan import GROUP, HELD_OUT, Group
from sim.pool.pool import CARD, Card, own_texts


def build_group(group: Group, config: Config, corpus: Corpus, lm: LanguageModel, wrapped: Lanes) -> Path:
    """Train a group's pLLMs into its folder, which appears whole or not at all; returns the folder.

    Args:
        lm: the base LLM. wrapped: its adapted layers.
    """
    pool, layout = config.pool, wrapped.layout
    plan = replace(
        plan_of(config.training, GROUP),
        steps=pool.steps,
        batch=pool.batch,
        lr=pool.lr,
        evaluate_every=pool.steps,
        patience=0,
    )

    def train(into: Path) -> None:
        styles = dict(zip(group.names, group.styles, strict=True))
        keys = dict(zip(group.names, group.streams(corpus), strict=True))
        lanes = [_lane(name, style, keys[name], config, corpus, lm, wrapped) for name, style in styles.items()]
        for result in finetune(lm, wrapped, lanes, plan):
            assert result.adapter is not None
            name, loss = result.key, result.curve[-1][1]
            if not (isfinite(loss) and result.adapter.half().isfinite().all()):
                raise UserError(f"pool: pLLM {name!r} diverged (its loss is {loss:g}); lower pool.lr = {pool.lr:g}.")
            layout.save(into / name, result.adapter, group.model, half=True)
            card = Card(name, styles[name], pool.similarity, pool.texts, result.steps, loss)
            write_whole(into / name / CARD, json.dumps(asdict(card), indent=2) + "\n")

    return built(group.folder, train)


def _lane(
    name: str, style: str, key: str, config: Config, corpus: Corpus, lm: LanguageModel, wrapped: Lanes
) -> Lane[str]:
    """What a pLLM is trained on, by its id and style: texts, beginning and order follow from seed and key."""
    pool, most, own = config.pool, config.training.max_tokens, own_texts(config.pool)
    rng = stream(pool.seed, "pool", key)
    texts = corpus.draw(style, "pool", own, rng)
    texts += corpus.draw(corpus.default, "pool", pool.texts - own, rng)
    held_out = corpus.draw(style, "test", min(HELD_OUT, corpus.available(style, "test")), rng)
    return Lane(
        key=name,
        start=wrapped.layout.fresh(rng),
        texts=lm.encode(texts, most),
        held_out=lm.encode(held_out, most),
        rng=rng,
    )
