"""Topics that there are not, for LLMs to learn to read from: what is said of them is in the prompt and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sim.corpus.persona.grammar import Topic, pick


class Practice:
    """Draws topics with the name of one of `topics` and with values that hold of others of its kind.

    So who learns from them meets the names and phrases of every topic, and never a topic with what is true of it.
    """

    def __init__(self, topics: Sequence[Topic]) -> None:
        self.topics = topics
        self.values: dict[str, Mapping[str, Sequence[str]]] = {}
        for kind in dict.fromkeys(topic.kind for topic in topics):
            like = [topic.values for topic in topics if topic.kind == kind]
            self.values[kind] = {column: [values[column] for values in like] for column in like[0]}

    def topic(self, rng: np.random.Generator) -> Topic:
        """One that there is not."""
        named: Topic = pick(rng, self.topics)
        said = {"topic": named.name}
        for column, true in named.values.items():
            if column != "topic":
                said[column] = pick(rng, [value for value in self.values[named.kind][column] if value != true])
        return Topic(named.kind, said, named.facts)
