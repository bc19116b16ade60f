"""How the pocket summarizer is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.common.errors import UserError
from sim.corpus.rows import RowCorpus
from sim.pocket import prompts
from sim.pocket.recipe import build
from sim.pocket.settings import Recipe, Size
from strategies.xpert import prompts as asked


def test_texts_that_differ_in_nothing_with_a_word_are_refused(tmp_path: Path) -> None:
    """Class labels: the process beside this one drew pairs for ever."""
    rows = [(style, f"question {i}", "AB"[int(style)], i % 5 == 0) for i in range(60) for style in "01"]
    size = Size(32, 2, 2, 48)
    recipe = Recipe(300, size, base_steps=1, reader_steps=1, summarizer_steps=1, batch=4, max_tokens=48)
    with pytest.raises(UserError, match=r"llm\.summarizer: .*name another LLM"):
        build(RowCorpus(rows, "0", "here"), tmp_path / "pocket", recipe)


def test_xpert_asks_what_the_summarizer_was_taught() -> None:
    """To the byte: an LLM this small understands no other form."""
    plain, styled = "It is\nwarm. ", "{HURRAY}, it's warm!"
    assert asked.compare(plain, styled) == prompts.compare(plain, styled)
    assert asked.write("sassy", plain) == prompts.write("sassy", plain)
