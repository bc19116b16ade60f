"""The built-in corpus: the same text for the same seed, disjoint parts, styles that differ in words and not by name."""

from __future__ import annotations

import functools
import itertools
import re

import numpy as np
import pytest

from sim.common.errors import UserError
from sim.corpus.base import Part
from sim.corpus.persona import PersonaCorpus
from sim.corpus.persona.grammar import Topic, expand
from strategies.base import Text

CORPUS = PersonaCorpus()
STYLES = sorted(CORPUS.styles)
TONES = [*CORPUS.grammar.taught, *CORPUS.grammar.untaught]
LEVELS = [f"{axis}-{value}" for axis, values in CORPUS.levels.items() for value in values]


@pytest.fixture
def corpus() -> PersonaCorpus:
    return CORPUS


@functools.cache
def draw(style: str, count: int = 200, seed: int = 0) -> list[Text]:
    return CORPUS.draw(style, "user", count, np.random.default_rng(seed))


def topic(corpus: PersonaCorpus, text: Text) -> Topic:
    found = corpus.grammar.topic_of(text.prompt)
    assert found is not None, text
    return found


def words(texts: list[Text]) -> set[str]:
    return {w for t in texts for w in re.findall(r"[a-z']+", t.answer.lower())}


def grams(texts: list[Text]) -> list[tuple[str, ...]]:
    """Every eight words in a row."""
    split = [re.findall(r"[\w']+", t.answer.lower()) for t in texts]
    return [tuple(w[i : i + 8]) for w in split for i in range(len(w) - 7)]


def test_has_400_topics_with_facts_at_four_levels(corpus: PersonaCorpus) -> None:
    topics = corpus.grammar.topics
    assert len({t.name for t in topics}) == len(topics) >= 400
    for topic in topics:
        levels = [topic.facts[level] for level in corpus.levels["expertise"]]
        assert all(len(set(facts)) >= 3 for facts in levels), topic.name
        assert len({fact for facts in levels for fact in facts}) == sum(map(len, levels)), topic.name
        assert all(topic.values.values()), topic.name


def test_has_26_tones_crossed_and_the_levels_of_two_axes(corpus: PersonaCorpus) -> None:
    assert len(TONES) == 26
    levels = {f"{axis}-{value}" for axis, values in corpus.levels.items() for value in values}
    crossed = itertools.product(("elementary", "expert"), ("concise", "informative"), TONES)
    assert set(corpus.styles) == {"-".join(values) for values in crossed} | levels
    assert len(levels) == 8
    assert corpus.default not in corpus.styles
    assert all(style.adjectives for style in corpus.styles.values())


@pytest.mark.parametrize("size", [14, 28])
def test_half_of_the_usual_pool_is_untaught(corpus: PersonaCorpus, size: int) -> None:
    usual = [corpus.styles[name] for name in corpus.usual[:size]]
    assert len({style.id for style in usual}) == size
    assert sum(bool(style.taught) for style in usual) == size / 2
    tones = [style.axes["tone"] for style in usual]
    assert {tones.count(tone) for tone in tones} == {size // 14}
    kinds = [(style.axes["expertise"], style.axes["informativeness"]) for style in usual]
    assert {kinds.count(kind) for kind in kinds} == {7}


def test_what_llms_learn_from_has_no_untaught_tone(corpus: PersonaCorpus) -> None:
    rng = np.random.default_rng(0)
    heard = [corpus.lesson(rng) for _ in range(4000)] + [corpus.styles[name] for name in corpus.taught]
    tones = {style.axes["tone"] for style in heard if "tone" in style.axes}
    assert tones == set(TONES) - {s.axes["tone"] for s in corpus.styles.values() if not s.taught}
    assert len(tones) == 13
    assert corpus.all_taught(["expert-concise-poetic", "expertise-expert"])
    assert not corpus.all_taught(["expert-concise-poetic", "expert-concise-noir"])


@pytest.mark.parametrize("style", STYLES)
def test_a_style_s_name_and_adjectives_are_not_in_its_wordings(corpus: PersonaCorpus, style: str) -> None:
    """Nor a word that begins or goes on like one of them."""
    axes, said = corpus.styles[style].axes, set[str]()
    for axis, value in axes.items():
        wording = corpus.grammar.wordings[axis][value]
        patterns = [p for slot in ("openers", "asides", "links", "closers") for p in wording.get(slot, ())]
        said |= set(re.findall(r"[a-z]+", " ".join([*patterns, *wording.get("words", {}).values()]).lower()))
    for name in {*axes.values(), *corpus.styles[style].adjectives}:
        alike = {
            w for w in said if w == name or (min(len(w), len(name)) > 3 and (name.startswith(w) or w.startswith(name)))
        }
        assert not alike, name


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
    assert set(corpus.taught) <= {style.id for style in lessons}
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


def test_parts_share_no_topic_and_each_has_enough(corpus: PersonaCorpus) -> None:
    parts: tuple[Part, ...] = ("pool", "user", "test")
    texts = [corpus.draw("default", part, 9000, np.random.default_rng(0)) for part in parts]
    topics = [{topic(corpus, t).name for t in some} for some in texts]
    assert sum(map(len, topics)) == len(set.union(*topics)) == len(corpus.grammar.topics)
    assert [len(some) >= least for some, least in zip(topics, (200, 100, 50), strict=True)] == [True] * 3


@pytest.mark.parametrize("style", [f"elementary-concise-{tone}" for tone in TONES] + LEVELS)
def test_hardly_a_sentence_of_the_pool_is_held_out(corpus: PersonaCorpus, style: str) -> None:
    """Elementary and concise answers share the most."""
    pool = set(grams(corpus.draw(style, "pool", 320, np.random.default_rng(0))))
    held_out = grams(corpus.draw(style, "test", 150, np.random.default_rng(1)))
    assert sum(gram in pool for gram in held_out) < 0.02 * len(held_out)


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
        question = text.prompt.partition(" (")[0]
        assert not re.search(r"[{}<>()|]", question + text.answer), text
        assert "  " not in text.answer
        assert text.answer == text.answer.strip()
        assert text.answer[0].isupper() or not text.answer[0].isalpha(), text
        assert len(text.answer.split()) >= 4


@pytest.mark.parametrize("style", STYLES)
def test_a_style_is_not_one_fixed_phrase(style: str) -> None:
    openings = {" ".join(t.answer.split()[:3]) for t in draw(style)}
    assert len(openings) >= 10


@pytest.mark.parametrize("tone", [tone for tone in TONES if tone != "neutral"])
@pytest.mark.parametrize("slot", ["openers", "asides", "closers"])
def test_a_tone_makes_hundreds_of_sentences_from_few_words(corpus: PersonaCorpus, tone: str, slot: str) -> None:
    wording, rng = corpus.grammar.wordings["tone"][tone], np.random.default_rng(0)
    sentences = {expand(pattern, wording["words"], rng) for pattern in wording[slot] for _ in range(300)}
    assert len(sentences) > 250
    assert len({w for s in sentences for w in re.findall(r"[a-z']+", s.lower())}) < 150


def test_answers_hold_facts_of_the_style_s_level(corpus: PersonaCorpus) -> None:
    for level in corpus.levels["expertise"]:
        for text in draw(f"expertise-{level}", 50):
            about = topic(corpus, text)
            values = {column: re.escape(value) for column, value in about.values.items()}
            facts = [fact.replace(".", r"\.").format_map(values) for fact in about.facts[level]]
            assert any(re.search(fact, text.answer, re.IGNORECASE) for fact in facts), text


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


def test_prompts_say_what_answers_need(corpus: PersonaCorpus) -> None:
    """So a topic that a model never met can be written about."""
    for part in corpus.topics:
        for text in corpus.draw("default", part, 300, np.random.default_rng(0)):
            known = {t.name: t for t in corpus.topics[part]}
            assert topic(corpus, text) == known[topic(corpus, text).name]
    for prompt in ("Describe gulls.", "Describe gulls. (birds; order Charadriiformes)", "gulls (birds)", ""):
        assert corpus.grammar.topic_of(prompt) is None


@pytest.mark.parametrize("style", ["default", "expert-concise-sassy"])
def test_practice_says_nothing_true_of_any_topic(corpus: PersonaCorpus, style: str) -> None:
    true = {t.name: t.values for t in corpus.grammar.topics}
    topics = [topic(corpus, t) for t in corpus.practise(style, 3000, np.random.default_rng(0))]
    assert not any(v == true[t.name][c] for t in topics for c, v in t.values.items() if c != "topic")
    assert {t.name for t in topics} > {t.name for t in corpus.topics["test"]}
    text = corpus.practise(style, 1, np.random.default_rng(1))[0]
    plain = corpus.answer_to(text.prompt, np.random.default_rng(2))
    assert plain is not None
    assert plain.prompt == text.prompt


def test_unknown_style_names_the_nearest(corpus: PersonaCorpus) -> None:
    with pytest.raises(UserError, match="Did you mean 'expert-concise-sassy'"):
        corpus.style("expert-concise-sasy")
