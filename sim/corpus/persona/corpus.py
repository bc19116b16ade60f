"""The persona corpus behind the interface that every corpus has."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from sim.corpus.base import Corpus, Part, Style, bucket
from sim.corpus.persona.grammar import LEVELS, Grammar
from strategies.base import Text

TONES = ("friendly", "unfriendly", "sassy", "sarcastic", "persuasive", "neutral", "poetic")
PARTS: dict[Part, range] = {"pool": range(0, 4), "user": range(4, 7), "test": range(7, 10)}


def _crossed(levels: Sequence[str]) -> dict[str, dict[str, str]]:
    """Axes by name of these levels of expertise x 2 informativeness x 7 tones."""
    crossed = itertools.product(levels, ("concise", "informative"), TONES)
    return {f"{e}-{i}-{t}": {"expertise": e, "informativeness": i, "tone": t} for e, i, t in crossed}


class PersonaCorpus(Corpus):
    """Text without end: prompts are drawn from topics x question forms, answers are written by the grammar."""

    built_in = True
    default = "default"
    levels = LEVELS

    def __init__(self) -> None:
        self.grammar = Grammar()
        # 28 styles = 2 expertise x 2 informativeness x 7 tones (XPerT, section 6), then the levels of two axes alone
        crossed = self._made(_crossed(("elementary", "expert")))
        levels = self._made({f"{a}-{value}": {a: value} for a, values in LEVELS.items() for value in values})
        lessons = self._made(_crossed(LEVELS["expertise"]))
        self.styles = crossed | levels
        self._crossed, self._levels, self._lessons = list(crossed), list(levels.values()), list(lessons.values())
        axes = {name: style.axes for name, style in (lessons | self.styles).items()}
        self._axes: dict[str, Mapping[str, str]] = {self.default: {}, **axes}

    def _made(self, axes: Mapping[str, Mapping[str, str]]) -> dict[str, Style]:
        return {name: Style(name, of, frozenset(self.grammar.adjectives(of))) for name, of in axes.items()}

    @property
    def usual(self) -> list[str]:
        """The 28 crossed styles; the levels are for configs that ask for them."""
        return self._crossed

    @cached_property
    def _prompts(self) -> dict[Part, list[tuple[str, int]]]:
        split: dict[Part, list[tuple[str, int]]] = {part: [] for part in PARTS}
        for prompt, topic in self.grammar.prompts:
            part = next(p for p, buckets in PARTS.items() if bucket(prompt, 10) in buckets)
            split[part].append((prompt, topic))
        return split

    @cached_property
    def _topic_of(self) -> dict[str, int]:
        return dict(self.grammar.prompts)

    def draw(self, style: str, part: Part, count: int, rng: np.random.Generator) -> list[Text]:
        axes, prompts = self._axes[style], self._prompts[part]
        chosen = rng.choice(len(prompts), count, replace=count > len(prompts))
        return [Text(prompts[i][0], self.grammar.answer(prompts[i][1], axes, rng)) for i in chosen]

    def available(self, style: str, part: Part) -> int:
        return 1_000_000

    def lesson(self, rng: np.random.Generator) -> Style:
        """Every level of expertise as often as any other, which `styles` are not: their order could not be learned.

        A quarter are levels alone, as in `styles`.
        """
        styles = self._levels if rng.random() < 0.25 else self._lessons
        return styles[int(rng.integers(len(styles)))]

    def answer_to(self, prompt: str, rng: np.random.Generator) -> Text | None:
        topic = self._topic_of.get(prompt)
        return None if topic is None else Text(prompt, self.grammar.answer(topic, {}, rng))

    def fingerprint(self) -> str:
        return self.grammar.digest
