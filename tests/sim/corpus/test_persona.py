"""The built-in corpus: the same text for the same seed, disjoint parts, styles that differ in words."""

from __future__ import annotations

import functools
import itertools
import re

import numpy as np
import pytest

from sim.common.errors import UserError
from sim.corpus.persona import PersonaCorpus
from strategies.base import Text

CORPUS = PersonaCorpus()
STYLES = sorted(CORPUS.styles)


@pytest.fixture
def corpus() -> PersonaCorpus:
    return CORPUS


@functools.cache
def draw(style: str, count: int = 200, seed: int = 0) -> list[Text]:
    return CORPUS.draw(style, "user", count, np.random.default_rng(seed))


def words(texts: list[Text]) -> set[str]:
    return {w for t in texts for w in re.findall(r"[a-z']+", t.answer.lower())}


def test_has_150_topics_with_facts_at_four_levels(corpus: PersonaCorpus) -> None:
    topics = corpus.grammar.topics
    assert len({t["name"] for t in topics}) == len(topics) >= 150
    for topic in topics:
        levels = [topic[level] for level in corpus.levels["expertise"]]
        assert all(len(set(facts)) >= 3 for facts in levels), topic["name"]
        assert len({fact for facts in levels for fact in facts}) == sum(map(len, levels)), topic["name"]


def test_has_the_28_usual_styles_and_the_levels_of_two_axes(corpus: PersonaCorpus) -> None:
    assert len(corpus.usual) == len(set(corpus.usual)) == 28
    levels = {f"{axis}-{value}" for axis, values in corpus.levels.items() for value in values}
    assert set(corpus.styles) == set(corpus.usual) | levels
    assert len(levels) == 8
    assert corpus.default not in corpus.styles
    assert all(style.adjectives for style in corpus.styles.values())


@pytest.mark.parametrize("axis", CORPUS.levels)
def test_levels_share_more_adjectives_the_nearer_they_are(corpus: PersonaCorpus, axis: str) -> None:
    words = [corpus.styles[f"{axis}-{level}"].adjectives for level in corpus.levels[axis]]
    for i, j, k in itertools.combinations(range(len(words)), 3):
        assert len(words[i] & words[j]) > len(words[i] & words[k]) < len(words[j] & words[k])
    assert all(word - set().union(*words[:i], *words[i + 1 :]) for i, word in enumerate(words))  # and each has its own


def test_lessons_hold_every_level_of_expertise_alike(corpus: PersonaCorpus) -> None:
    rng = np.random.default_rng(0)
    lessons = [corpus.lesson(rng) for _ in range(4000)]
    levels = [style.axes["expertise"] for style in lessons if "expertise" in style.axes]
    counts = {level: levels.count(level) / len(levels) for level in corpus.levels["expertise"]}
    assert all(0.22 < share < 0.28 for share in counts.values()), counts
    assert set(corpus.styles) <= {style.id for style in lessons}
    assert all(corpus.draw(style.id, "pool", 1, rng) for style in lessons[:100])


def test_same_seed_same_texts_in_another_instance(corpus: PersonaCorpus) -> None:
    style = "expert-concise-sassy"
    assert draw(style) == PersonaCorpus().draw(style, "user", 200, np.random.default_rng(0))
    assert draw(style) != draw(style, seed=1)
    assert corpus.fingerprint() == PersonaCorpus().fingerprint()


def test_parts_share_no_prompt(corpus: PersonaCorpus) -> None:
    drawn = {
        part: {t.prompt for t in corpus.draw("expert-concise-sassy", part, 1500, np.random.default_rng(0))}
        for part in ("pool", "user", "test")
    }
    assert all(len(prompts) > 300 for prompts in drawn.values())
    for one, other in itertools.combinations(drawn.values(), 2):
        assert not one & other


def test_prompts_are_distinct_while_there_are_enough(corpus: PersonaCorpus) -> None:
    texts = draw("expert-concise-sassy", 300)
    assert len({t.prompt for t in texts}) == 300
    assert len(draw("expert-concise-sassy", 5000)) == 5000  # then they repeat


@pytest.mark.parametrize("style", STYLES)
def test_style_differs_from_the_default_in_words(style: str) -> None:
    plain, styled = words(draw(CORPUS.default)), draw(style)
    marked = [t for t in styled if words([t]) - plain]
    assert len(marked) > len(styled) / 2  # most answers, not a few, have words that 200 plain ones lack


@pytest.mark.parametrize("style", [*STYLES, "default"])
def test_texts_are_finished_sentences_about_their_topic(style: str) -> None:
    for text in draw(style):
        assert not re.search(r"[{}]", text.prompt + text.answer), text
        assert "  " not in text.answer
        assert text.answer == text.answer.strip()
        assert text.answer[0].isupper() or not text.answer[0].isalpha() or style == "formality-slang", text
        assert len(text.answer.split()) >= 4


@pytest.mark.parametrize("style", STYLES)
def test_a_style_is_not_one_fixed_phrase(style: str) -> None:
    openings = {" ".join(t.answer.split()[:3]) for t in draw(style)}
    assert len(openings) >= 10


def test_answers_hold_facts_of_the_style_s_level(corpus: PersonaCorpus) -> None:
    topic_of = dict(corpus.grammar.prompts)
    for level in corpus.levels["expertise"]:
        for text in draw(f"expertise-{level}", 50):
            facts = corpus.grammar.topics[topic_of[text.prompt]][level]
            assert any(fact[1:] in text.answer for fact in facts), text


def test_informative_answers_are_longer_than_concise_ones() -> None:
    def length(style: str) -> float:
        return float(np.mean([len(t.answer.split()) for t in draw(style)]))

    for level, tone in itertools.product(("elementary", "expert"), ("friendly", "neutral", "poetic")):
        assert length(f"{level}-informative-{tone}") > 1.4 * length(f"{level}-concise-{tone}")


def test_slang_and_casual_contract_and_the_others_do_not(corpus: PersonaCorpus) -> None:
    def count(style: str, forms: list[str]) -> int:
        found = re.compile(rf"\b(?:{'|'.join(map(re.escape, forms))})\b", re.IGNORECASE)
        return sum(len(found.findall(t.answer)) for t in draw(style))

    long, short = (list(side) for side in zip(*corpus.grammar.wordings["contractions"].items(), strict=True))
    for style in ("formality-slang", "formality-casual"):
        assert count(style, long) == 0, style
        assert count(style, short) > 50, style
    for style in ("formality-polite", "formality-corporate"):
        assert count(style, short) == 0, style


@pytest.mark.parametrize("axis", ["expertise", "formality"])
def test_distance_grows_with_the_levels_between(corpus: PersonaCorpus, axis: str) -> None:
    names = [f"{axis}-{value}" for value in corpus.levels[axis]]
    for one, a in enumerate(names):
        ordered = sorted(range(len(names)), key=lambda b: abs(one - b))
        apart = [corpus.distance(a, names[b]) for b in ordered]
        assert apart == sorted(apart)
        assert apart[0] == 0
        assert len(set(apart)) == len({abs(one - b) for b in ordered})


def test_distance_to_a_style_without_an_axis_is_a_whole_one(corpus: PersonaCorpus) -> None:
    assert corpus.distance("expert-concise-poetic", "expertise-expert") == 2
    assert corpus.distance("expertise-expert", "formality-slang") == 2


def test_distance_counts_the_axes_that_differ(corpus: PersonaCorpus) -> None:
    base = "expert-concise-sassy"
    assert corpus.distance(base, base) == 0
    assert corpus.distance(base, "expert-concise-poetic") == 1
    assert corpus.distance(base, "expert-informative-poetic") == 2
    assert corpus.distance(base, "elementary-informative-poetic") == 3
    for one, other in itertools.combinations(corpus.styles, 2):
        assert corpus.distance(one, other) == corpus.distance(other, one) > 0


def test_probe_prompts_are_no_user_s_and_have_a_default_answer(corpus: PersonaCorpus) -> None:
    rng = np.random.default_rng(0)
    probes = corpus.probes(64, rng)
    users = {t.prompt for t in draw("expert-concise-sassy", 5000)}
    assert len(set(probes)) == 64
    assert not users & set(probes)
    text = corpus.answer_to(probes[0], rng)
    assert text is not None
    assert text.prompt == probes[0]
    assert corpus.answer_to("What is a prompt of nobody?", rng) is None


def test_unknown_style_names_the_nearest(corpus: PersonaCorpus) -> None:
    with pytest.raises(UserError, match="Did you mean 'expert-concise-sassy'"):
        corpus.style("expert-concise-sasy")
