"""How good explanations are, of small records whose answers are worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sim.analysis.summary import summarise
from sim.analysis.tables import Run, load_run
from sim.analysis.words.quality import QUALITY, Vocabulary, quality
from sim.analysis.words.said import Said
from sim.analysis.words.shown import LEAST, LESS, MORE, opposite, shown
from sim.corpus.persona import PersonaCorpus
from sim.experiment.config import Config
from tests.sim.analysis.conftest import owned

FRIENDLY, PIRATE = "expert-concise-friendly", "expert-concise-pirate"
WORDS = ("friendly", "technical", "brief", "rude", "childlike", "detailed")
P = (2.0, 2.0, 1.0, -2.0, -2.0, -1.0)


def said(owner: str | int, **strengths: float) -> list[dict[str, object]]:
    return [owned(owner) | {"strategy": "xpert", "word": w, "strength": z} for w, z in strengths.items()]


def pool(**of: str) -> list[dict[str, object]]:
    same = {"similarity": 0.8, "texts": 1, "steps": 1, "loss": 1.0, "bytes": 1.0}
    return [{"pllm": pllm, "style": style, **same} for pllm, style in of.items()]


@pytest.fixture
def run(new_run, row) -> Run:
    """Users of a taught and of an untaught style who both start from `p`, which is all that `q` is not."""
    words = said("p", **dict(zip(WORDS, P, strict=True))) + said("q", **{w: -z for w, z in zip(WORDS, P, strict=True)})
    words += said(0, friendly=3.0, technical=2.0, brief=1.5, childlike=-1.0)
    words += said(1, rude=2.0, technical=1.5, detailed=0.5)
    users = [row(0, "xpert", style=FRIENDLY, taught=True, chosen="p")]
    users += [row(1, "xpert", style=PIRATE, taught=False, chosen="p"), row(0, "scratch", style=FRIENDLY, taught=True)]
    config = Config.of({"strategies": ["scratch", "xpert"]})
    return load_run(new_run(config, users=users, words=words, pool=pool(p=FRIENDLY, q=PIRATE)))


def measured(run: Run, user: int) -> dict[str, float]:
    return {name: float(values.loc[user, "xpert"]) for name, values in quality(run).items()}


def test_a_user_whose_words_are_right(run: Run) -> None:
    """All of friendly, technical and brief describe the style, and so do three of the six words."""
    assert measured(run, 0) == {
        "tone_first": 1, "word_precision": 1, "word_chance": 0.5, "contradictions": 0,
        "contradictions_said": 0, "fidelity": 1,
    }  # fmt: skip


def test_a_user_whose_words_are_wrong(run: Run) -> None:
    """Of rude, technical and detailed one describes the style, and of the six words two; rude is what `q` is."""
    assert measured(run, 1) == {
        "tone_first": 0, "word_precision": pytest.approx(1 / 3), "word_chance": pytest.approx(1 / 3),
        "contradictions": 0, "contradictions_said": 0, "fidelity": 0,
    }  # fmt: skip


def test_the_summary_has_them_by_taught_and_untaught(run: Run) -> None:
    summary = summarise(run)
    found = summary[summary["strategy"] == "xpert"].set_index("metric")
    for name, taught, untaught in (("tone_first", 1, 0), ("word_precision", 1, 1 / 3), ("fidelity", 1, 0)):
        assert found.loc[name, "mean"] == pytest.approx((taught + untaught) / 2)
        assert found.loc[f"{name}_taught", "mean"] == taught
        assert found.loc[f"{name}_untaught", "mean"] == pytest.approx(untaught)
        assert found.loc[f"{name}_taught", "users"] == 1
    assert found.loc["tone_first", "low"] < found.loc["tone_first", "mean"] < found.loc["tone_first", "high"]
    assert not set(summary.loc[summary["strategy"] == "scratch", "metric"]) & set(QUALITY)


def test_what_is_said_of_every_pllm_sets_nobody_apart(new_run, row) -> None:
    """The mean is (9, 0), of which user 0 has 1.5 times as much: 1.5 x 81 / 82 by how far pLLMs lie apart."""
    words = said("p", warm=9.0, brief=1.0) + said("q", warm=9.0, brief=-1.0) + said(0, warm=13.5, brief=0.5)
    run = load_run(new_run(users=[row(0, "xpert", chosen="p")], words=words, pool=pool(p="x", q="y")))
    of = dict(Said.by("xpert", run).of(0))
    assert of == {"brief": 0.5, "warm": pytest.approx(13.5 - 13.5 * 81 / 82)}
    assert [word for word, _ in shown(Said.by("xpert", run).of(0))] == ["brief", "warm"]
    assert dict(Said.by("xpert", run).of("p"))["brief"] == 1.0
    assert measured(run, 0)["fidelity"] == 1


def test_strengths_whose_mean_is_nothing_stay_as_they_are(run: Run) -> None:
    assert dict(Said.by("xpert", run).of(1)) == {"rude": 2.0, "technical": 1.5, "detailed": 0.5}


def test_a_tie_gives_no_pllm(new_run, row) -> None:
    """`p` and `twice` differ in how much of their words they have, not in which: words cannot tell them apart."""
    words = said("p", warm=1.0, brief=1.0) + said("twice", warm=2.0, brief=2.0) + said("q", warm=-3.0, brief=-3.0)
    words += said(0, warm=1.0, brief=1.0) + said(1, warm=-1.0, brief=-1.0)
    users = [row(0, "xpert", chosen="p"), row(1, "xpert", chosen="q")]
    run = load_run(new_run(users=users, words=words, pool=pool(p="x", twice="y", q="z")))
    assert [measured(run, user)["fidelity"] for user in (0, 1)] == [0, 1]


def test_a_merge_is_given_by_any_of_its_pllms(new_run, row) -> None:
    words = said("p", warm=1.0) + said("q", warm=-1.0) + said(0, warm=-1.0)
    run = load_run(new_run(users=[row(0, "xpert", chosen="p+q")], words=words, pool=pool(p="x", q="y")))
    assert measured(run, 0)["fidelity"] == 1


def test_opposites_that_the_list_knows_are_not_shown_and_others_are_counted(new_run, row) -> None:
    """Nobody is friendly and rude; no list knows that nothing is both readable (middle) and technical (expert)."""
    words = said("p", friendly=1.0, readable=1.0) + said("q", friendly=-1.0, readable=-1.0)
    words += said(0, friendly=2.0, rude=1.9, brief=1.0) + said(1, readable=2.0, technical=1.0)
    users = [row(u, "xpert", style=FRIENDLY, taught=True, chosen="p") for u in (0, 1)]
    config = Config.of({"strategies": ["xpert"]})
    run = load_run(new_run(config, users=users, words=words, pool=pool(p=FRIENDLY, q=PIRATE)))
    assert shown(Said.by("xpert", run).of(0)) == (("friendly", 2.0), ("brief", 1.0))
    assert [measured(run, user)["contradictions"] for user in (0, 1)] == [0, 1]
    assert [measured(run, user)["contradictions_said"] for user in (0, 1)] == [1, 1]


def test_without_a_vocabulary_only_what_needs_no_truth_is_measured(new_run, row) -> None:
    words = said("p", warm=1.0, rude=1.0) + said("q", warm=-1.0) + said(0, warm=2.0)
    run = load_run(new_run(users=[row(0, "xpert", style="7", chosen="p")], words=words, pool=pool(p="7", q="8")))
    found = measured(run, 0)
    assert {name for name, value in found.items() if value == value} == {
        "contradictions",
        "contradictions_said",
        "fidelity",
    }
    assert not set(summarise(run)["metric"]) & {"tone_first", "tone_first_taught", "fidelity_taught"}


def test_a_user_of_whom_nothing_is_said(new_run, row) -> None:
    words = said("p", friendly=1.0) + said("q", friendly=-1.0) + said(0, friendly=1.0)
    users = [row(u, "xpert", style=FRIENDLY, taught=True, chosen=chosen) for u, chosen in enumerate(("p", "p", ""))]
    config = Config.of({"strategies": ["xpert"]})
    run = load_run(new_run(config, users=users, words=words, pool=pool(p=FRIENDLY, q=PIRATE)))
    silent, gone = measured(run, 1), measured(run, 2)
    assert {name: value for name, value in silent.items() if value == value} == {"tone_first": 0, "fidelity": 0}
    assert all(value != value for value in gone.values())


def test_a_user_of_two_styles_may_be_called_either(new_run, row) -> None:
    words = said("p", sassy=1.0) + said("q", sassy=-1.0) + said(0, sassy=2.0, friendly=1.0, terse=0.9)
    users = [row(0, "xpert", style=f"{FRIENDLY}+elementary-informative-sassy", taught=True, chosen="p")]
    config = Config.of({"strategies": ["xpert"]})
    run = load_run(new_run(config, users=users, words=words, pool=pool(p=FRIENDLY, q=PIRATE)))
    assert (measured(run, 0)["tone_first"], measured(run, 0)["word_precision"]) == (1, 1)


def test_a_run_without_words_or_config_has_none_of_it(new_run, row) -> None:
    run = load_run(new_run(users=[row(0, "xpert"), row(0, "scratch")]))
    assert all(values.isna().all(axis=None) for values in quality(run).values())
    assert not set(summarise(run)["metric"]) & set(QUALITY)


def test_few_words_are_shown_with_their_signs() -> None:
    more = [(f"more{i}", 1.0 + i) for i in range(MORE + 2)]
    less = [(f"less{i}", -1.0 - i) for i in range(LESS + 2)]
    found = shown((*more, *less, ("hardly", LEAST * 0.5)))
    assert [word for word, _ in found] == ["more5", "more4", "more3", "more2", "less3", "less2"]
    assert shown(()) == ()


def test_less_of_an_opposite_is_no_contradiction() -> None:
    assert shown((("brief", 2.0), ("detailed", -1.0))) == (("brief", 2.0), ("detailed", -1.0))
    assert shown((("brief", -2.0), ("detailed", -1.0))) == (("brief", -2.0),)


@pytest.mark.parametrize(
    ("one", "other", "contradict"),
    [
        ("friendly", "rude", True),
        ("informal", "corporate", True),
        ("readable", "technical", True),
        ("simple", "readable", False),
        ("readable", "scholarly", False),
        ("friendly", "poetic", False),
        ("terse", "technical", False),
        ("unheard", "of", False),
    ],
)
def test_what_contradicts(one: str, other: str, contradict: bool) -> None:
    vocabulary = Vocabulary.of(PersonaCorpus())
    assert vocabulary.contradict(one, other) == vocabulary.contradict(other, one) == contradict


def test_no_style_of_the_corpus_contradicts_itself() -> None:
    corpus = PersonaCorpus()
    vocabulary = Vocabulary.of(corpus)
    for style in corpus.styles.values():
        words = sorted(style.adjectives)
        assert not any(opposite(a, b) or vocabulary.contradict(a, b) for a in words for b in words), style.id


def test_the_shipped_corpus_says_which_word_is_of_which_axis() -> None:
    corpus = PersonaCorpus()
    for style in corpus.styles.values():
        assert style.adjectives == {w for axis, value in style.axes.items() for w in corpus.vocabulary[axis][value]}


def test_old_records_without_taught_are_measured(tmp_path: Path, run: Run) -> None:
    """As 0.1.0 wrote them; who is taught is then not known."""
    for path in run.folder.glob("*.csv"):
        pd.read_csv(path).drop(columns="taught", errors="ignore").to_csv(tmp_path / path.name, index=False)
    (tmp_path / "config.toml").write_text((run.folder / "config.toml").read_text(encoding="utf-8"), encoding="utf-8")
    found = summarise(load_run(tmp_path)).set_index(["strategy", "metric"])["mean"]
    assert found["xpert", "tone_first"] == 0.5
    assert ("xpert", "tone_first_taught") not in found
