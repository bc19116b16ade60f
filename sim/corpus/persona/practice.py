"""Topics that there are not, for LLMs to learn to read from: what is true of them is in the prompt and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.corpus.persona.grammar import Topic

INVENTED = 0.3
"""Share of the values in which a word is an invented one."""


def mixed(topic: Topic, topics: Sequence[Topic], rng: np.random.Generator) -> Topic:
    """A topic of the same kind whose name and values are each some topic's of that kind, now and then invented."""
    like = [other for other in topics if other.kind == topic.kind]
    values = {column: like[int(rng.integers(len(like)))].values[column] for column in topic.values}
    return Topic(topic.kind, {c: _invent(v, topics, rng) for c, v in values.items()}, topic.facts)


def _invent(value: str, topics: Sequence[Topic], rng: np.random.Generator) -> str:
    """The value as it is or, in some, with one of its words replaced by half of it and half of another word."""
    if rng.random() >= INVENTED:
        return value
    words = value.split()
    at = int(rng.integers(len(words)))
    others = " ".join(topics[int(rng.integers(len(topics)))].values.values()).split()
    other = others[int(rng.integers(len(others)))]
    words[at] = words[at][: (len(words[at]) + 1) // 2] + other[len(other) // 2 :].lower()
    return " ".join(words)
