"""The sentences of an explanation, of small records: how a user differs, and why the runner-up lost."""

from __future__ import annotations

from typing import Any

import pytest

from sim.analysis.explain.explanation import Explanation, explain
from sim.analysis.explain.reasons import differs, how_good, in_common, why_not
from sim.analysis.explain.text import page
from sim.analysis.tables import load_run
from tests.sim.analysis.conftest import owned

SCORES = {"p": 0.10, "q": 0.13, "r": 0.90, "s": 1.10}
OF = {
    "p": {"poetic": 2.0, "brief": 1.0, "warm": -1.0},
    "q": {"poetic": 1.0, "brief": 1.0, "warm": 1.0},
    "r": {"poetic": -1.5, "brief": -1.0, "warm": 0.0},
    "s": {"poetic": -1.5, "brief": -1.0, "warm": 0.0},
}


@pytest.fixture
def explained(new_run, row):
    """Explain user 0, who started from `p`: poetic, brief and not warm, unless another is given."""

    def made(scores: dict[str, float] = SCORES, **user: float) -> Explanation:
        said: dict[Any, Any] = OF | {0: user or {"poetic": 2.0, "brief": 0.8, "warm": -1.0, "rude": -0.1}}
        same: dict[str, Any] = {"strategy": "xpert"}
        words = [
            same | owned(owner) | {"word": word, "strength": z}
            for owner, strengths in said.items()
            for word, z in strengths.items()
        ]
        pool = [{"pllm": p, "style": f"style {p}", "similarity": 0.8, "texts": 1, "steps": 1, "loss": 1.0, "bytes": 1.0}
                for p in OF]  # fmt: skip
        ranked = enumerate(sorted(scores.items(), key=lambda scored: scored[1]), start=1)
        choices = [same | {"user_id": 0, "pllm": p, "score": score, "rank": rank} for rank, (p, score) in ranked]
        users = [row(0, "xpert", chosen="p", correct=True)]
        return explain(load_run(new_run(users=users, words=words, pool=pool, choices=choices)), 0)

    return made


def test_words_say_how_somebody_differs_from_others() -> None:
    assert differs((("playful", 2.0), ("brief", 1.0), ("warm", 0.5), ("formal", -1.0))) == (
        "more playful, brief and warm, less formal than others"
    )
    assert differs((("formal", -1.0),)) == "less formal than others"
    assert differs((("formal", 1.0),), contrasted=False) == "more formal"


def test_the_page_is_sparse_and_signed(explained) -> None:
    said = " ".join(page(explained()).split())
    assert "In words, the style of user 0 is more poetic and brief, less warm than others:" in said
    assert "rude" not in said
    assert "Words have no part in the choice; in them, the user and p are both more poetic and brief, less warm" in said
    assert "In words, p is more poetic and brief, less warm than others." in said


def test_why_the_runner_up_lost(explained) -> None:
    e = explained()
    assert [word for word, _ in in_common(e)] == ["poetic", "brief", "warm"]
    assert why_not(e) == (
        "The runner-up, q (style style q), lost narrowly: the middle one of all 4 is 14 times as far behind. "
        "The user is more poetic, less warm than others, and q is less so than p."
    )
    assert why_not(e) in " ".join(page(e).split())


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (SCORES | {"q": 0.3}, "q (style style q), lost clearly"),
        (SCORES | {"q": 0.89}, "q (style style q), lost by far"),
        (SCORES | {"q": 0.10}, "is as near by its score and comes later in the list."),
        ({"p": 0.1, "q": 0.15}, "The runner-up, q (style style q), lost. The user"),
    ],
)
def test_how_narrowly_it_lost(explained, scores: dict[str, float], said: str) -> None:
    assert said in why_not(explained(scores))


def test_words_that_speak_for_the_runner_up_are_owned_up_to(explained) -> None:
    said = why_not(explained(warm=2.0))
    assert said.endswith("The words shown do not tell why: by them alone it would be as near to the user, or nearer.")


@pytest.mark.parametrize("scores", [{}, {"p": 0.2}, {"p": 0.2, "q": 0.1}], ids=["none", "alone", "not by score"])
def test_there_is_no_runner_up_where_no_score_decided(explained, scores: dict[str, float]) -> None:
    assert why_not(explained(scores)) == ""


def test_how_good_is_what_is_known() -> None:
    assert how_good({}) == ""
    assert how_good({"fidelity": 0.5}) == "for 50.0 % the words shown alone give the same pLLM"
    known = {"tone_first": 0.5, "word_precision": 0.75, "word_chance": 0.25, "contradictions": 0.0, "fidelity": 1.0}
    assert how_good(known) == (
        "the first word names the true tone of 50.0 % of users; 75.0 % of the first three words are true of them, "
        "where chance is 25.0 %; 0 % are shown two words that contradict each other; for 100 % the words shown alone "
        "give the same pLLM"
    )
