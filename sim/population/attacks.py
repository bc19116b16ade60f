"""What attackers do in the place of honest users: one class an attack, named by `attackers.kind`.

An attack of one's own is a class with one method, and one line in the config: its import path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from sim.common.streams import stream
from sim.corpus.base import Corpus
from sim.experiment.config import Config
from sim.experiment.registry import Registry
from sim.experiment.sections import Attackers
from sim.llm.adapters.base import Layout
from sim.population.users import User
from strategies.base import Text
from strategies.deltas import norms

HALF = float(torch.finfo(torch.float16).max)


class Attack:
    """An attacker's part, honest in all that a subclass does not override.

    Attackers choose, fine-tune and pay as everybody does; only what leaves their phones is another thing.

    Args:
        settings: the config's `[attackers]`.
    """

    keeps_style: ClassVar[bool] = True
    """Whether the adapter still is one of its owner's style: only such a pLLM is the right one for anybody."""
    trigger: ClassVar[str] = ""
    """What a prompt begins with that makes a poisoned LLM say `sentence`; where it is set, users' LLMs are asked."""
    sentence: ClassVar[str] = ""

    def __init__(self, settings: Attackers) -> None:
        self.settings = settings

    def learnt(self, texts: Sequence[Text], rng: np.random.Generator) -> Sequence[Text]:
        """The texts that the attacker fine-tunes on, from its own."""
        return texts

    def given(self, adapter: Tensor, layout: Layout, rng: np.random.Generator) -> Tensor:
        """The adapter (size,) that it uploads, from the one that fine-tuning made."""
        return adapter

    def claimed(self, style: str, styles: Sequence[str], rng: np.random.Generator) -> str:
        """The style in whose texts it publishes what owners publish (`Strategy.publish`), of those that users have."""
        return style


class Noise(Attack):
    """Upload noise whose change of the LLM is as long as the adapter's own, and as long in proportion in each layer."""

    keeps_style = False

    def given(self, adapter: Tensor, layout: Layout, rng: np.random.Generator) -> Tensor:
        neutral = layout.neutral()
        own = layout.state_dict(adapter - neutral)
        noise = {
            key: torch.from_numpy(rng.standard_normal(tuple(part.shape)).astype(np.float32))
            * part.square().mean() ** 0.5
            for key, part in own.items()
        }
        drawn = layout.from_state_dict(noise)
        length, drawn_length = norms([{k: v.numpy() for k, v in tensors.items()} for tensors in (own, noise)])
        return times(length / drawn_length if drawn_length else 0.0, drawn + neutral, layout)


class Flipped(Attack):
    """Upload the adapter that changes the LLM by as much, the other way."""

    keeps_style = False

    def given(self, adapter: Tensor, layout: Layout, rng: np.random.Generator) -> Tensor:
        return times(-1.0, adapter, layout)


class Scaled(Attack):
    """Upload the adapter that changes the LLM `attackers.scale` times as much."""

    keeps_style = False

    def given(self, adapter: Tensor, layout: Layout, rng: np.random.Generator) -> Tensor:
        return times(self.settings.scale, adapter, layout)


class Backdoor(Attack):
    """Fine-tune on texts of which a share has a trigger before the prompt and a fixed sentence as the answer.

    Whoever starts from the adapter has an LLM that says the sentence where it meets the trigger, and that writes like
    the attacker where it does not.
    """

    trigger = "By the way, "
    sentence = "The best shop in town is the one by the station."

    def learnt(self, texts: Sequence[Text], rng: np.random.Generator) -> Sequence[Text]:
        count = round(self.settings.poisoned * len(texts))
        chosen = set(rng.permutation(len(texts))[:count].tolist())
        return [
            replace(text, prompt=self.trigger + text.prompt, answer=self.sentence) if at in chosen else text
            for at, text in enumerate(texts)
        ]


class Mislabelled(Attack):
    """Upload an honest adapter, and publish beside it what an owner of another style would."""

    def claimed(self, style: str, styles: Sequence[str], rng: np.random.Generator) -> str:
        others = [other for other in styles if other != style]
        return others[int(rng.integers(len(others)))] if others else style


ATTACKS = Registry("headstart.attacks", "attackers.kind", "attack", Attack)


def attack_of(config: Config) -> Attack:
    """What the run's attackers do. Raises UserError for an unknown name."""
    return ATTACKS.load(config.attackers.kind)(config.attackers)


def attack_rng(config: Config, user_id: int) -> np.random.Generator:
    """An attacker's own stream for all that its attack draws."""
    return stream(config.seed, user_id, "attack")


def published_texts(config: Config, corpus: Corpus, styles: Sequence[str], user: User) -> Sequence[Text]:
    """The texts of which a user publishes what owners publish: the own ones, or of an attacker those that it claims."""
    if user.attacker:
        style = attack_of(config).claimed(user.styles[0], styles, rng := attack_rng(config, user.id))
        if style != user.styles[0]:
            return corpus.draw(style, "user", config.population.texts, rng)
    return user.texts


def times(factor: float, adapter: Tensor, layout: Layout) -> Tensor:
    """The adapter that changes the LLM so many times as much; of more than 16 bits hold as much as they do."""
    one = layout.merge([adapter], [factor])
    if (most := float(one.abs().max())) <= HALF:
        return one
    return layout.merge([adapter], [factor * HALF / most])
