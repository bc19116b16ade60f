"""How the pocket summarizer is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.common.errors import UserError
from sim.corpus.persona import PersonaCorpus
from sim.corpus.rows import RowCorpus
from sim.pocket import prompts
from sim.pocket.recipe import build
from sim.pocket.settings import Recipe, Size
from sim.pocket.summarizer import LESSONS, _exercise, _Pairs
from strategies.base import Text
from strategies.xpert import prompts as asked


def test_texts_that_differ_in_nothing_with_a_word_are_refused(tmp_path: Path) -> None:
    """Class labels: the process beside this one drew pairs for ever."""
    rows = [(style, f"question {i}", "AB"[int(style)], i % 5 == 0) for i in range(60) for style in "01"]
    size = Size(32, 2, 2, 48)
    steps = {"base_steps": 1, "sentence_steps": 1, "answer_steps": 1, "summarizer_steps": 1}
    recipe = Recipe(300, size, **steps, batch=4, max_tokens=48)
    with pytest.raises(UserError, match=r"llm\.summarizer: .*name another LLM"):
        build(RowCorpus(rows, "0", "here"), tmp_path / "pocket", recipe)


def test_xpert_asks_what_the_summarizer_was_taught() -> None:
    """To the byte: an LLM this small understands no other form."""
    plain, styled = "It is\nwarm. ", "{HURRAY}, it's warm!"
    assert asked.compare(plain, styled) == prompts.compare(plain, styled)
    assert asked.write("sassy", plain) == prompts.write("sassy", plain)


def test_first_lessons_have_one_axis_where_the_corpus_has_such() -> None:
    """Among crossed styles the summarizer hardly learnt that what it writes hangs on the word."""
    pairs = _Pairs(PersonaCorpus(), np.random.default_rng(9000))
    crossed = {lessons: sum(pairs.draw(lessons).style.count("-") > 1 for _ in range(100)) for lessons in (1, LESSONS)}
    assert crossed[1] > 25
    assert crossed[LESSONS] < 10


def test_a_corpus_without_axes_gives_first_lessons_too() -> None:
    rows = [(style, f"question {i}", f"answer {i}", False) for i in range(60) for style in "012"]
    pairs = _Pairs(RowCorpus(rows, "0", "here"), np.random.default_rng(9000))
    assert {pairs.draw(LESSONS).style for _ in range(50)} == {"1", "2"}


def test_an_exercise_is_an_answer_to_its_prompt_or_one_sentence_without() -> None:
    text, rng = Text("What of the moon?", "The moon is far. Hooray, dear friend!"), np.random.default_rng(9000)
    assert _exercise(text, "cheerful", 1, rng) == Text(prompts.write("cheerful", text.prompt), text.answer)
    assert _exercise(text, "cheerful", 0, rng) == Text("Answer in a style that is cheerful.", "Hooray, dear friend!")
