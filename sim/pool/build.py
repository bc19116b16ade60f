"""A group of pLLMs, fine-tuned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sim.common.cache import built
from sim.common.streams import stream
from sim.llm.adapters.lora import save_adapter
from sim.llm.finetune import Lane, Plan, finetune
from sim.pool.plan import GROUP, HELD_OUT, Group
from sim.pool.pool import Card, own_texts

if TYPE_CHECKING:
    from sim.serving.resident import Resident


def build_group(resident: Resident, group: Group) -> Path:
    """Train a group's pLLMs into its folder, which appears whole or not at all; returns the folder."""
    config, lm, lanes = resident.config, resident.lm, resident.lanes
    pool, training = config.pool, config.training
    plan = Plan(
        steps=pool.steps,
        batch=pool.batch,
        lr=pool.lr,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        evaluate_every=pool.steps,
        width=GROUP,
    )

    def train(into: Path) -> None:
        styles = dict(zip(group.names, group.styles, strict=True))
        for result in finetune(lm, lanes, list(_lanes(resident, styles)), plan):
            assert result.adapter is not None
            name, loss = result.key, result.curve[-1][1]
            save_adapter(into / name, lanes.layout, result.adapter, group.model, half=True)
            card = Card(name, styles[name], pool.similarity, pool.texts, result.steps, loss)
            (into / name / "card.json").write_text(json.dumps(asdict(card), indent=2) + "\n")

    return built(group.folder, train)


def _lanes(resident: Resident, styles: dict[str, str]) -> Iterator[Lane[str]]:
    """What pLLMs are trained on, by their ids and styles: texts, beginning and order follow from seed and id."""
    corpus, pool, most = resident.corpus, resident.config.pool, resident.config.training.max_tokens
    own = own_texts(pool)
    for name, style in styles.items():
        rng = stream(pool.seed, "pool", name)
        texts = corpus.draw(style, "pool", own, rng)
        texts += corpus.draw(corpus.default, "pool", pool.texts - own, rng)
        held_out = corpus.draw(style, "test", min(HELD_OUT, corpus.available(style, "test")), rng)
        yield Lane(
            key=name,
            start=resident.lanes.layout.fresh(rng),
            texts=resident.lm.encode(texts, most),
            held_out=resident.lm.encode(held_out, most),
            rng=rng,
        )
