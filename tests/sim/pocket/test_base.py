"""What the pocket base LLM learns from."""

from __future__ import annotations

from pathlib import Path

from sim.corpus.rows import RowCorpus
from sim.llm.model import LanguageModel
from sim.pocket.base import train_base
from sim.pocket.settings import Recipe, Size


def test_a_style_without_pool_texts_is_passed_over(tiny_llm: Path) -> None:
    rows = [(style, f"question {i}", f"answer {i}", False) for i in range(60) for style in "01"]
    size = Size(32, 2, 2, 48)
    recipe = Recipe(300, size, base_steps=1, batch=4, max_tokens=48, other_share=1.0)
    steps: list[int] = []
    corpus = RowCorpus([*rows, ("2", "question", "kept aside", True)], "0", "here")
    train_base(LanguageModel(tiny_llm), corpus, recipe, lambda _, step, __: steps.append(step))
    assert steps == [1]
