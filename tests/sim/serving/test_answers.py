"""What an inference request is booked as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.ledger.work import Work
from sim.serving.answers import shared_tokens
from sim.serving.resident import Resident
from strategies.base import Embed, NextWords
from tests.sim.small import small_config


@pytest.mark.parametrize(
    ("prompts", "shared"),
    [
        ([[1, 2, 7, 9], [1, 2, 8, 5, 9]], 2 * 3),
        ([[1, 2, 3], [4, 5, 6]], 0),
        ([[1, 2], [1, 2], [1, 2]], 3 * 2),
        ([[1, 1], [1, 1, 1]], 2 * 2),
        ([[1, 2, 3]], 0),
        ([], 0),
    ],
)
def test_instruction_is_what_prompts_share_at_their_ends(prompts: list[list[int]], shared: int) -> None:
    assert shared_tokens([np.array(p) for p in prompts]) == shared


def test_next_words_are_booked_as_what_was_read_for_them(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass over the prompt, and one more for every token that completes a word."""
    home, read = Resident(small_config(tiny_llm, tmp_path, f"llm.summarizer={tiny_llm}", "pool.size=0")), []
    hidden = home.summarizer.hidden
    monkeypatch.setattr(home.summarizer, "hidden", lambda ids, *a: read.append(ids.numel()) or hidden(ids, *a))
    book = Work()
    (words,) = home.answers([NextWords(["one prompt, so that nothing is padded"], 3)], [book])
    assert words
    assert len(read) > 1
    assert (book.judge_sequences, book.judge_tokens) == (len(read), sum(read))
    pair, alone = Work(), Work()
    home.answers([NextWords(["same one", "same two"], 3), Embed(["same one", "same two"])], [pair, alone])
    assert pair.judge_fixed_tokens / pair.judge_sequences == alone.judge_fixed_tokens / alone.judge_sequences > 0
