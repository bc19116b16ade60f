"""A group of pLLMs, fine-tuned."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from math import isfinite
from pathlib import Path

import numpy as np
import torch

from sim.common.cache import built
from sim.common.disk import write_whole
from sim.common.errors import UserError
from sim.common.streams import stream
from sim.corpus import Corpus
from sim.experiment.config import Config
from sim.llm.lanes import Lanes
from sim.llm.model import Encoded, LanguageModel
from sim.llm.training.finetune import evaluate, finetune, plan_of
from sim.llm.training.progress import Lane, set_aside
from sim.pool.plan import GROUP, HELD_OUT, Group
from sim.pool.pool import CARD, Card, own_texts
from strategies.base import Text


def build_group(group: Group, config: Config, corpus: Corpus, lm: LanguageModel, wrapped: Lanes) -> Path:
    """Train a group's pLLMs into its folder, which appears whole or not at all; returns the folder.

    Each is the adapter of the step with the lowest loss on texts that its owner set aside.

    Args:
        lm: the base LLM. wrapped: its adapted layers.
    """
    pool, layout = config.pool, wrapped.layout
    plan = replace(
        plan_of(config.training, GROUP),
        steps=pool.steps,
        batch=pool.batch,
        evaluate_every=pool.evaluate_every,
        patience=pool.patience,
    )

    def train(into: Path) -> None:
        owners = group.owners(corpus)
        lanes = [_lane(name, style, key, config, corpus, lm, wrapped) for name, (style, key) in owners.items()]
        done = {result.key: result for result in finetune(lm, wrapped, lanes, plan)}
        kept = {name: adapter for name in owners if (adapter := done[name].adapter) is not None}
        held_out = [_held_out(style, key, config, corpus, lm) for style, key in owners.values()]
        losses = evaluate(lm, wrapped, torch.stack(list(kept.values())).to(lm.device), held_out)
        for (name, adapter), loss in zip(kept.items(), losses.tolist(), strict=True):
            last = done[name].validation[-1][1] if done[name].validation else loss
            if not (isfinite(last) and isfinite(loss) and adapter.half().isfinite().all()):
                raise UserError(f"pool: pLLM {name!r} diverged (its loss is {last:g}); lower pool.lr = {pool.lr:g}.")
            layout.save(into / name, adapter, group.model, half=True)
            card = Card(
                id=name,
                style=owners[name][0],
                similarity=pool.similarity,
                texts=config.owner_texts,
                steps=done[name].kept_step,
                trained=done[name].steps,
                validation_loss=done[name].validation_loss,
                loss=loss,
            )
            write_whole(into / name / CARD, json.dumps(asdict(card), indent=2) + "\n")

    return built(group.folder, train)


def _lane(
    name: str, style: str, key: str, config: Config, corpus: Corpus, lm: LanguageModel, wrapped: Lanes
) -> Lane[str]:
    """What a pLLM is trained on, by its id and style: texts, beginning and order follow from seed and key."""
    texts, rng = written(style, key, config, corpus)
    training, validation = set_aside(lm.encode(texts, config.training.max_tokens))
    start = wrapped.layout.fresh(rng)
    return Lane(key=name, start=start, texts=training, rng=rng, lr=config.pool.lr, validation=validation)


def written(style: str, key: str, config: Config, corpus: Corpus) -> tuple[list[Text], np.random.Generator]:
    """All that the owner of a pLLM wrote, in its order, and the stream that it was drawn from, for what comes next."""
    own, rng = own_texts(config), stream(config.pool.seed, "pool", key)
    texts = corpus.draw(style, "pool", own, rng) + corpus.draw(corpus.default, "pool", config.owner_texts - own, rng)
    return [texts[i] for i in rng.permutation(len(texts))], rng


def _held_out(style: str, key: str, config: Config, corpus: Corpus, lm: LanguageModel) -> list[Encoded]:
    """What the loss of a pLLM is measured on: texts of its style alone."""
    rng = stream(config.pool.seed, "pool", key, "held out")
    texts = corpus.draw(style, "test", min(HELD_OUT, corpus.available(style, "test")), rng)
    return lm.encode(texts, config.training.max_tokens)
