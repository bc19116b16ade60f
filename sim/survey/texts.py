"""All that can be read of some styles of a corpus: how many texts, how long, and which of them are there twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sim.common.streams import stream
from sim.corpus.base import ENDLESS, Corpus, Part
from sim.llm.model import Reader
from strategies.base import Text

PARTS: tuple[Part, ...] = ("pool", "user", "test")
MOST, MOST_LENGTHS, SOME = 20_000, 300, 100
"""Texts of a style and part that are compared, that are tokenised, and that are drawn of what has no end."""


@dataclass(frozen=True)
class Texts:
    """Texts of styles by (style, part), every one or a sample: `available` says how many there are."""

    drawn: Mapping[tuple[str, Part], Sequence[Text]]
    available: Mapping[tuple[str, Part], int]
    dropped: Mapping[str, int]

    @classmethod
    def of(cls, corpus: Corpus, styles: Sequence[str]) -> Texts:
        available = {(style, part): corpus.available(style, part) for style in styles for part in PARTS}
        rng = stream(0, "survey")
        drawn = {
            (style, part): corpus.draw(style, part, SOME if count >= ENDLESS else min(count, MOST), rng)
            for (style, part), count in available.items()
            if count
        }
        return cls(drawn, available, {style: sum(corpus.dropped(style).values()) for style in styles})

    @property
    def endless(self) -> bool:
        """Whether nobody runs out of them."""
        return all(count >= ENDLESS for count in self.available.values())

    @property
    def sampled(self) -> bool:
        """Whether there are more than were compared."""
        return any(len(self.drawn.get(key, ())) < count for key, count in self.available.items())

    @property
    def styles(self) -> list[str]:
        return list(self.dropped)


# ---------------------------------------------------------------- what is there twice


@dataclass(frozen=True)
class Repeated:
    """Texts that are there twice, as one may be without meaning to.

    `within` and `across` count texts whose answer another one of their style, of another style has, word for word.
    `leaked` are held-out texts whose answer is also among those that users of the same style train on, `leaked_prompts`
    those whose prompt is; `leaked_across` those whose prompt users or owners of another style train on.
    """

    texts: int
    within: int
    across: int
    held_out: int
    leaked: int
    leaked_prompts: int
    leaked_across: int


def repeated(texts: Texts) -> Repeated:
    """Count what is there twice."""
    styles_of: dict[str, set[str]] = defaultdict(set)
    for (style, _), some in texts.drawn.items():
        for text in some:
            styles_of[text.answer].add(style)
    asked_in: dict[str, set[str]] = defaultdict(set)
    for (style, part), some in texts.drawn.items():
        if part != "test":
            for text in some:
                asked_in[text.prompt].add(style)
    within = across = leaked = leaked_prompts = leaked_across = held_out = 0
    for style in texts.styles:
        own = [text for part in PARTS for text in texts.drawn.get((style, part), ())]
        answers = pd.Series([text.answer for text in own], dtype=object)
        within += int(answers.duplicated().sum())
        across += sum(len(styles_of[text.answer]) > 1 for text in own)
        trained = {text.answer for text in texts.drawn.get((style, "user"), ())}
        test = texts.drawn.get((style, "test"), ())
        held_out += len(test)
        leaked += sum(text.answer in trained for text in test)
        leaked_prompts += sum(style in asked_in.get(text.prompt, ()) for text in test)
        leaked_across += sum(bool(asked_in.get(text.prompt, set()) - {style}) for text in test)
    count = sum(map(len, texts.drawn.values()))
    return Repeated(count, within, across, held_out, leaked, leaked_prompts, leaked_across)


# ---------------------------------------------------------------- how long they are


@dataclass(frozen=True)
class Lengths:
    """Tokens of prompts and answers, one row a text, and what `training.max_tokens` leaves of them."""

    table: pd.DataFrame

    @classmethod
    def of(cls, texts: Texts, reader: Reader, max_tokens: int) -> Lengths:
        rows: list[pd.DataFrame] = []
        for style in texts.styles:
            some = [t for part in PARTS for t in texts.drawn.get((style, part), ())[:MOST_LENGTHS]]
            prompts = np.array([*map(len, reader.questions([t.prompt for t in some]))])
            answers = np.array([*map(len, reader.ids([t.answer for t in some], after=reader.template.after))])
            kept = np.minimum(prompts, max_tokens // 2)
            rows.append(
                pd.DataFrame(
                    {
                        "style": style,
                        "prompt": prompts,
                        "answer": answers,
                        "whole": prompts + answers,
                        "prompt_cut": prompts > kept,
                        "answer_cut": kept + answers > max_tokens,
                    }
                )
            )
        return cls(pd.concat(rows, ignore_index=True))
