"""xpert_cards tells owners apart by directions in which one owner's own texts hardly differ."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from strategies import Choice, Embed, NextWords, Offer, OutputRows, States, Text
from strategies.xpert.adjectives import ADJECTIVES
from strategies.xpert.cards import XpertCards

WIDTH, OWNERS = 12, 5
LOUD = np.where(np.arange(WIDTH) < 2, 30.0, 0.3)
"""How much texts of one owner differ in each direction: topics are loud, style is not."""
STYLES = {f"p{i}": 2.0 * np.eye(WIDTH)[2 + i] for i in range(OWNERS)}
WORDS = ["warm", "cold", "curt"]
ROWS = np.eye(WIDTH)[2:5].astype(np.float32)


def texts(style: str, count: int) -> list[Text]:
    return [Text("", f"{style} {i}") for i in range(count)]


def states(strings: list[str], width: int = WIDTH) -> np.ndarray:
    """Of each text, from its style and its number."""
    out = []
    for string in strings:
        style, number = string.split()[-2:]
        noise = np.random.default_rng([int(number), int(style[1:]), 7]).normal(size=WIDTH) * LOUD
        out.append(np.resize(STYLES[style] + noise, width))
    return np.array(out, dtype=np.float32)


def asked(request: object, width: int = WIDTH) -> Any:
    if isinstance(request, States):
        assert (request.llm, request.depth) == ("summarizer", 0.25)
        return states(list(request.strings), width)
    if isinstance(request, Embed):
        said = [prompt.partition("Text two: ")[2].splitlines()[0] for prompt in request.prompts]
        return states(said) * (LOUD < 1)
    if isinstance(request, NextWords):
        return [("warm", 0.5), ("cold", 0.3), ("curt", 0.1)]
    assert isinstance(request, OutputRows)
    return ROWS[[WORDS.index(word) for word in request.words]]


def offered(strategy: XpertCards, width: int = WIDTH) -> Offer:
    def ask(request: object) -> Any:
        return asked(request, width)

    cards = {p: strategy.publish(SimpleNamespace(texts=texts(p, 40), ask=ask)) for p in STYLES}  # type: ignore[arg-type]
    pool = SimpleNamespace(ids=tuple(STYLES))
    return strategy.offer(SimpleNamespace(pool=pool, published=cards, ask=ask))  # type: ignore[arg-type]


def chosen(strategy: XpertCards, offer: Offer, mine: list[Text], width: int = WIDTH) -> Choice:
    asking, reply = strategy.choose(SimpleNamespace(texts=mine), offer), None  # type: ignore[arg-type]
    while True:
        try:
            reply = asked(asking.send(reply), width)
        except StopIteration as end:
            return end.value


def own(style: str, count: int = 30) -> list[Text]:
    return [Text("", f"{style} {1000 + i}") for i in range(count)]


def test_it_finds_the_owner_where_the_nearest_mean_does_not() -> None:
    strategy = XpertCards()
    offer = offered(strategy)
    assert [chosen(strategy, offer, own(p)).start.best for p in STYLES] == list(STYLES)
    means = {p: states([t.answer for t in texts(p, 40)]).mean(axis=0) for p in STYLES}
    centre = np.mean(list(means.values()), axis=0)

    def nearest(style: str) -> str:
        away = states([t.answer for t in own(style)]).mean(axis=0) - centre
        return max(means, key=lambda p: float((means[p] - centre) @ away / np.linalg.norm(means[p] - centre)))

    assert [nearest(p) for p in STYLES] != list(STYLES)


def test_an_owner_of_fewer_texts_of_the_style_lies_in_the_same_direction() -> None:
    """Scores go by direction: who wrote half in another style is still the one."""
    strategy = XpertCards()
    mixed = texts("p0", 20) + texts("p1", 8)
    cards = {p: strategy.publish(SimpleNamespace(texts=texts(p, 40), ask=asked)) for p in STYLES}  # type: ignore[arg-type]
    cards["p0"] = strategy.publish(SimpleNamespace(texts=mixed, ask=asked))  # type: ignore[arg-type]
    pool = SimpleNamespace(ids=tuple(STYLES))
    offer = strategy.offer(SimpleNamespace(pool=pool, published=cards, ask=asked))  # type: ignore[arg-type]
    assert chosen(strategy, offer, own("p0")).start.best == "p0"


def test_words_say_what_the_user_has_more_of_than_the_pool() -> None:
    strategy = XpertCards()
    offer = offered(strategy)
    assert next(iter(offer.explanations["p1"])) == "cold"
    said = chosen(strategy, offer, own("p0")).explanation
    assert next(iter(said)) == "warm"
    assert said["warm"] > 0 > min(said.values())
    assert {"words", "rows", "origin"} <= set(offer.payload)


def test_without_words_nothing_is_read_to_the_end() -> None:
    strategy = XpertCards(named=0)
    offer = offered(strategy)
    assert set(offer.payload) == {"centre", "towards"}
    choice = chosen(strategy, offer, own("p3"))
    assert (choice.start.best, dict(choice.explanation)) == ("p3", {})


def test_wide_states_are_projected_for_all_alike() -> None:
    strategy, wide = XpertCards(named=0, width=32), 300
    offer = offered(strategy, wide)
    assert np.asarray(offer.payload["towards"]).shape == (OWNERS, 32)
    assert [chosen(strategy, offer, own(p), wide).start.best for p in STYLES] == list(STYLES)


def test_an_owner_of_one_text_and_a_pool_of_one_are_no_error() -> None:
    strategy = XpertCards(named=0)
    card: Mapping[str, object] = strategy.publish(SimpleNamespace(texts=texts("p0", 1), ask=asked))  # type: ignore[arg-type]
    pool = SimpleNamespace(ids=("p0",))
    offer = strategy.offer(SimpleNamespace(pool=pool, published={"p0": card}, ask=asked))  # type: ignore[arg-type]
    choice = chosen(strategy, offer, own("p1"))
    assert choice.start.best == "p0"
    assert np.isfinite(choice.scores["p0"])


@pytest.mark.parametrize(
    "settings", [{"texts": -1}, {"width": 0}, {"depth": 0.0}, {"depth": 1.1}, {"shrink": 0.0}, {"llm": "both"}]
)
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(settings))} = "):
        XpertCards(**settings)


def test_words_of_a_list_are_taken_where_the_summarizer_knows_none() -> None:
    said: list[object] = []
    rows = np.random.default_rng(9000).normal(size=(len(ADJECTIVES), WIDTH)).astype(np.float32)

    def ask(request: object) -> Any:
        said.append(request)
        if isinstance(request, OutputRows):
            return rows[[ADJECTIVES.index(word) for word in request.words]]
        return asked(request)

    strategy = XpertCards(candidates="adjectives")
    cards = {p: strategy.publish(SimpleNamespace(texts=texts(p, 40), ask=ask)) for p in STYLES}  # type: ignore[arg-type]
    pool = SimpleNamespace(ids=tuple(STYLES))
    offer = strategy.offer(SimpleNamespace(pool=pool, published=cards, ask=ask))  # type: ignore[arg-type]
    assert not any(isinstance(request, NextWords) for request in said)
    assert all("words" not in card for card in cards.values())
    assert 1 < len(offer.payload["words"]) <= len(ADJECTIVES)  # type: ignore[arg-type]
    assert set(chosen(strategy, offer, own("p1")).explanation) <= set(ADJECTIVES)
    assert len(set(ADJECTIVES)) == len(ADJECTIVES)


def test_other_candidates_are_refused() -> None:
    with pytest.raises(ValueError, match="'proposed' or 'adjectives' is expected"):
        XpertCards(candidates="all")  # type: ignore[arg-type]


def test_a_text_is_read_no_further_than_its_first_words() -> None:
    read: list[str] = []

    def ask(request: object) -> Any:
        if isinstance(request, States):
            read.extend(request.strings)
            return np.ones((len(request.strings), WIDTH), dtype=np.float32)
        if isinstance(request, NextWords):
            return [("warm", 1.0)]
        assert isinstance(request, Embed)
        return np.ones((len(request.prompts), WIDTH), dtype=np.float32)

    texts = (Text("", "one two  three four"), Text("", "one"), Text("", " "))
    for longest, expected in ((0, ["one two  three four", "one"]), (3, ["one two three", "one"])):
        read.clear()
        XpertCards(longest=longest).publish(SimpleNamespace(texts=texts, ask=ask))  # type: ignore[arg-type]
        assert read == expected
