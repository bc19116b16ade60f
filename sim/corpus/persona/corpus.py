"""The persona corpus behind the interface that every corpus has."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from sim.corpus.base import ENDLESS, Corpus, Part, Style, bucket
from sim.corpus.persona.grammar import LEVELS, Grammar, Topic
from sim.corpus.persona.practice import Practice
from strategies.base import Text

TAUGHT = ("friendly", "unfriendly", "sassy", "sarcastic", "persuasive", "neutral", "poetic")
"""Tones of the usual styles that the shipped LLMs are taught: the paper's."""
UNTAUGHT = ("pirate", "noir", "sportscaster", "apologetic", "stern", "whimsical", "gloomy")
"""As many that they have never met."""
PARTS: dict[Part, range] = {"pool": range(0, 4), "user": range(4, 6), "test": range(6, 7)}
"""Sevenths of the topics: what LLMs and pLLMs learn from, what users write about, what is held out."""


def _crossed(levels: Sequence[str], tones: Sequence[str]) -> dict[str, dict[str, str]]:
    """Axes by name of these levels of expertise x 2 informativeness x tones."""
    crossed = itertools.product(levels, ("concise", "informative"), tones)
    return {f"{e}-{i}-{t}": {"expertise": e, "informativeness": i, "tone": t} for e, i, t in crossed}


def _usual() -> list[str]:
    """14 tones in two of the four kinds of answer each, so that each kind has seven: 28 styles, as in XPerT, section 6.

    Half of them are of untaught tones, and so are half of the first 14, which have every tone once.
    """
    even = [*TAUGHT[::2], *UNTAUGHT[1::2]], [*TAUGHT[1::2], *UNTAUGHT[::2]]
    kinds = (("elementary", "concise", 0), ("expert", "concise", 1), ("elementary", "informative", 1))
    return [f"{e}-{i}-{tone}" for e, i, which in (*kinds, ("expert", "informative", 0)) for tone in even[which]]


class PersonaCorpus(Corpus):
    """Text without end: prompts are drawn from topics x question forms, answers are written by the grammar."""

    built_in = True
    default = "default"
    levels = LEVELS

    def __init__(self) -> None:
        self.grammar = Grammar()
        self.vocabulary = self.grammar.vocabulary
        tones = list(self.grammar.wordings["tone"])
        crossed = self._made(_crossed(("elementary", "expert"), tones))
        levels = self._made({f"{a}-{value}": {a: value} for a, values in LEVELS.items() for value in values})
        lessons = self._made(_crossed(LEVELS["expertise"], list(self.grammar.taught)))
        self.styles = crossed | levels
        others = {"tone": list(self.grammar.taught), "informativeness": ["concise", "informative"]}
        alone = self._made({f"{a}-{value}": {a: value} for a, values in others.items() for value in values})
        self._alone, self._lessons = [*levels.values(), *alone.values()], list(lessons.values())
        axes = {name: style.axes for name, style in (lessons | alone | self.styles).items()}
        self._axes: dict[str, Mapping[str, str]] = {self.default: {}, **axes}

    def _made(self, axes: Mapping[str, Mapping[str, str]]) -> dict[str, Style]:
        untaught = self.grammar.untaught
        return {
            name: Style(name, of, frozenset(self.grammar.adjectives(of)), of.get("tone") not in untaught)
            for name, of in axes.items()
        }

    @property
    def usual(self) -> list[str]:
        """28 crossed styles, half of them of untaught tones; the others are for configs that ask for them."""
        return _usual()

    @cached_property
    def topics(self) -> Mapping[Part, Sequence[Topic]]:
        """The topics of each part."""
        at = {topic.name: bucket(topic.name, 7) for topic in self.grammar.topics}
        return {p: [t for t in self.grammar.topics if at[t.name] in buckets] for p, buckets in PARTS.items()}

    def draw(self, style: str, part: Part, count: int, rng: np.random.Generator) -> list[Text]:
        topics, forms = self.topics[part], self.grammar.forms
        prompts = len(topics) * len(forms)
        chosen = [divmod(int(n), len(forms)) for n in rng.choice(prompts, count, replace=count > prompts)]
        return [self._text(topics[topic], forms[form], style, rng) for topic, form in chosen]

    @cached_property
    def _practice(self) -> Practice:
        return Practice(self.grammar.topics)

    def practise(self, style: str, count: int, rng: np.random.Generator) -> list[Text]:
        """Texts about things that there are not, with notes that hold of nothing.

        Who learns from them cannot know the facts by heart, and so learns to take them from the prompt, as it will have
        to for topics that it never met.
        """
        forms = self.grammar.forms
        topics = [self._practice.topic(rng) for _ in range(count)]
        return [self._text(topic, forms[int(rng.integers(len(forms)))], style, rng) for topic in topics]

    def _text(self, topic: Topic, form: str, style: str, rng: np.random.Generator) -> Text:
        return Text(self.grammar.prompt(form, topic), self.grammar.answer(topic, self._axes[style], rng))

    def available(self, style: str, part: Part) -> int:
        return ENDLESS

    def lesson(self, rng: np.random.Generator) -> Style:
        """In most a single tone, level or length, so that it is known what each sounds like; else all of them crossed.

        Every level of expertise is there as often as any other, which in `styles` is not so: their order could not be
        learned.
        """
        styles = self._alone if rng.random() < 0.6 else self._lessons
        return styles[int(rng.integers(len(styles)))]

    def answer_to(self, prompt: str, rng: np.random.Generator) -> Text | None:
        topic = self.grammar.topic_of(prompt)
        return None if topic is None else Text(prompt, self.grammar.answer(topic, {}, rng))

    def fingerprint(self) -> str:
        return self.grammar.digest
