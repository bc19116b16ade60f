"""A corpus: where text comes from, behind one interface for the built-in one, for files and for one's own."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

import numpy as np

from sim.common.errors import UserError, nearest
from sim.experiment.sections import CorpusSection
from strategies.base import Text

Part = Literal["pool", "user", "test"]
"""Texts that pLLMs were fine-tuned on, that users own, and that users are evaluated on: disjoint prompts."""
ENDLESS = 1_000_000
"""Texts that nobody runs out of: a corpus without end says that it has as many."""
WANTED_BY: Mapping[Part, str] = {
    "pool": "pool.texts or pool.similarity",
    "user": "population.texts",
    "test": "population.held_out or corpus.held_out",
}
"""Keys that decide how many texts of a part are wanted, or are there."""


@dataclass(frozen=True)
class Need:
    """Texts that an experiment takes from a corpus at a time."""

    style: str
    part: Part
    count: int


@dataclass(frozen=True)
class Style:
    """A way of writing.

    `axes` places it (expertise, tone, ...) where the corpus knows; `adjectives` are the words that describe it.
    `taught`: whether the built-in LLMs learn from texts of it, where the corpus says so.
    """

    id: str
    axes: Mapping[str, str] = field(default_factory=dict)
    adjectives: frozenset[str] = frozenset()
    taught: bool | None = None


class Corpus(ABC):
    """Texts by style, as (prompt, answer). `styles` holds every style but the default, which the base LLM writes.

    A class of one's own is named in a config by its import path (docs/corpora.md). Every worker makes its own corpus of
    it, which therefore has to be the same everywhere: what is random is drawn from the generator that is handed in.
    """

    needs_path: ClassVar[bool] = False
    """Whether `corpus.path` must not be empty."""
    built_in: bool = False
    """Whether the LLMs that are shipped learnt from it; for any other corpus they are built."""
    styles: Mapping[str, Style]
    default: str
    source = "the corpus"
    """Where texts come from, for messages."""
    levels: Mapping[str, Sequence[str]] = {}
    """Axes whose values are ordered, lowest first."""
    vocabulary: Mapping[str, Mapping[str, Sequence[str]]] = {}
    """By axis and value the words that describe it, by which explanations are judged."""

    @property
    def remarks(self) -> Sequence[str]:
        """What was dropped in reading it, and what else should be known of it, in sentences: shown and recorded."""
        return ()

    @classmethod
    def open(cls, section: CorpusSection) -> Self:
        """The corpus that `[corpus]` describes; here one that needs nothing of it. Raises UserError."""
        return cls()

    @property
    def usual(self) -> Sequence[str]:
        """The styles that a pool has unless a config names others."""
        return list(self.styles)

    @property
    def people(self) -> Sequence[str]:
        """Styles that are real people, who are the users one after another (`corpus.people`): here none."""
        return ()

    @property
    def taught(self) -> list[str]:
        """The styles that the built-in LLMs learn from: those with texts for it, unless `Style.taught` forbids it."""
        return [
            name for name, style in self.styles.items() if style.taught is not False and self.available(name, "pool")
        ]

    @abstractmethod
    def draw(self, style: str, part: Part, count: int, rng: np.random.Generator) -> list[Text]:
        """Texts of a style, on distinct prompts where there are enough. Raises UserError where there are too few."""

    @abstractmethod
    def available(self, style: str, part: Part) -> int:
        """How many texts `draw` can give at most (`ENDLESS` where text has no end)."""

    def dropped(self, style: str) -> Mapping[str, int]:
        """How many rows of a style were read and are not used, by why not: "repeat others"."""
        return {}

    def stock(self, style: str) -> str:
        """Where the texts of a style are, for the message that there are too few: "of its 9 rows of that style ..."."""
        return ""

    def need(self, style: str, part: Part, count: int) -> None:
        """Raise UserError where `draw` cannot give so many texts."""
        if (have := self.available(style, part)) < count:
            stock = f" ({found})" if (found := self.stock(style)) else ""
            raise UserError(
                f"corpus: {count} {part} texts of style {style!r} wanted, but {self.source} has {have}{stock}; "
                f"change {WANTED_BY[part]}."
            )

    def answer_to(self, prompt: str, rng: np.random.Generator) -> Text | None:
        """A default-style pool text on a given prompt, where the corpus has one."""
        return None

    def practise(self, style: str, count: int, rng: np.random.Generator) -> list[Text]:
        """Texts of a style that built-in LLMs learn from: here up to `count` pool texts."""
        return self.draw(style, "pool", min(count, self.available(style, "pool")), rng)

    def lesson(self, rng: np.random.Generator) -> Style:
        """A style that `draw` can write, for the pocket summarizer to learn from: here any, all alike."""
        styles = self.taught
        return self.styles[styles[int(rng.integers(len(styles)))]]

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of everything that decides what `draw` returns."""

    def pool_fingerprint(self) -> str:
        """A hash of what LLMs and pLLMs are made of, a part of that: here all."""
        return self.fingerprint()

    def key(self, style: str) -> str:
        """What the random streams of a style's pLLMs are called: here its name. The same of two that are one style."""
        return style

    def probes(self, count: int, rng: np.random.Generator) -> list[str]:
        """Prompts on which base LLM and pLLMs are compared; they belong to no user's held-out texts."""
        return [text.prompt for text in self.draw(self.default, "pool", count, rng)]

    def style(self, name: str) -> Style:
        """The style of a name. Raises UserError."""
        if name not in self.styles:
            raise UserError(f"corpus: unknown style {name!r}.{nearest(name, self.styles)}")
        return self.styles[name]

    def all_taught(self, styles: Sequence[str]) -> bool | None:
        """Whether the built-in LLMs learnt from every one of some styles; None where that is not known of one."""
        known = [self.styles[style].taught for style in styles]
        return None if None in known else all(known)

    def comparable(self, one: str, other: str) -> bool:
        """Whether it is known how far apart two styles are."""
        return one == other or bool(self.styles[one].axes and self.styles[other].axes)

    def distance(self, one: str, other: str) -> float:
        """How far apart two styles truly are, summed over the axes that differ.

        Levels apart on an ordered axis, as a share of all its levels; 1 on any other, and on one that a style lacks.
        """
        if one == other:
            return 0.0
        if not self.comparable(one, other):
            return 1.0
        a, b = self.styles[one].axes, self.styles[other].axes
        total = 0.0
        for axis in sorted({*a, *b}):  # the order of a set, and so the last bit of a sum, differs between processes
            x, y = a.get(axis), b.get(axis)
            order = list(self.levels.get(axis, ()))
            if x in order and y in order:
                total += abs(order.index(x) - order.index(y)) / max(len(order) - 1, 1)
            elif x != y:
                total += 1
        return total


def bucket(prompt: str, buckets: int) -> int:
    """A stable bucket of a prompt, to keep the parts of a corpus apart."""
    return zlib.crc32(prompt.encode()) % buckets
