"""Adjectives follow from what can be counted in a text."""

from __future__ import annotations

import numpy as np
import pytest

from sim.corpus.stylometry import FEATURES, VOCABULARY, adjectives, measure

PLAIN = "The moon is a rock. It goes around the earth. It takes a month."


@pytest.mark.parametrize(
    ("styled", "more", "less"),
    [
        ("The moon is a rock! It goes around the earth! It takes a month!", "lively", "calm"),
        ("The moon is a rock? It goes around the earth? It takes a month?", "inquisitive", "assertive"),
        ("The moon is a rock. 🌙 It goes around the earth. 🌍 It takes a month. 🚀", "playful", "sober"),
        ("You see, the moon is your rock. You go around it. It takes you a month.", "personal", "impersonal"),
        ("The moon's a rock. It's going around the earth. It won't take a month's time.", "informal", "formal"),
        ("- The moon is a rock.\n- It goes around the earth.\n- It takes a month.", "structured", "flowing"),
    ],
)
def test_a_plain_difference_gives_its_adjective_and_the_reverse_its_opposite(styled: str, more: str, less: str) -> None:
    assert more in adjectives(PLAIN, styled)
    assert less in adjectives(styled, PLAIN)


def test_longer_text_is_lengthy_and_shorter_brief() -> None:
    longer = " ".join([PLAIN] * 6)
    assert "lengthy" in adjectives(PLAIN, longer)
    assert "brief" in adjectives(longer, PLAIN)


def test_equal_texts_have_no_adjective() -> None:
    assert list(adjectives(PLAIN, PLAIN)) == []


def test_at_most_as_many_as_asked_for_largest_first() -> None:
    styled = "You! Why? You, you, you! 🌙🌙🌙 It's yours, isn't it?!"
    every = adjectives(PLAIN, styled, most=len(FEATURES), least=0.0)
    assert list(adjectives(PLAIN, styled, most=2)) == list(every[:2])
    assert set(every) <= VOCABULARY


@pytest.mark.parametrize("text", ["", "...", "🌙", "12 34"])
def test_text_without_words_has_finite_measures(text: str) -> None:
    values = measure(text)
    assert values.shape == (len(FEATURES),)
    assert np.isfinite(values).all()
