"""The recipe of the pocket LLMs: a small Llama that writes a corpus's default style, and one that judges styles.

Both are seeded and use only the texts that pLLMs may be trained on, never a user's or held-out ones.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sim.common.cache import seal
from sim.common.memory import keep_pages
from sim.common.streams import stream
from sim.corpus.base import Corpus
from sim.corpus.stylometry import VOCABULARY
from sim.llm.model import LanguageModel
from sim.pocket.base import train_base
from sim.pocket.settings import Progress, Recipe, Size
from sim.pocket.summarizer import train_summarizer
from sim.pocket.tokenizer import build_tokenizer


def build(corpus: Corpus, folder: Path, recipe: Recipe, progress: Progress = lambda *_: None) -> None:
    """Build base LLM and summarizer into `folder/base` and `folder/summarizer`.

    The summarizer goes on from the base, as LLMs that follow instructions do: it has to write as well before it can
    write in a style.
    """
    base, summarizer = folder / "base", folder / "summarizer"
    _blank(_tokenizer(corpus, recipe), recipe.size, recipe.seed, base)
    _train("base", corpus, base, recipe, progress)
    shutil.copytree(base, summarizer, dirs_exist_ok=True)
    _train("summarizer", corpus, summarizer, recipe, progress)
    for part in (base, summarizer):
        seal(part)


def _train(name: str, corpus: Corpus, folder: Path, recipe: Recipe, progress: Progress) -> None:
    """Train one of the two in place."""
    torch.set_num_threads(1)
    keep_pages()
    lm = LanguageModel(folder)

    def tick(stage: str, step: int, steps: int) -> None:
        if step % 10 == 0 or step == steps:
            progress(stage, step, steps)

    (train_base if name == "base" else train_summarizer)(lm, corpus, recipe, tick)
    lm.model.half().save_pretrained(folder)  # type: ignore[operator]


def _tokenizer(corpus: Corpus, recipe: Recipe) -> Any:
    rng = stream(recipe.seed, "tokenizer")
    styles = [corpus.default] * 4 + corpus.taught
    texts = [t for s in styles for t in corpus.practise(s, 200, rng)]
    words = {w for s in corpus.taught for w in corpus.styles[s].adjectives} or VOCABULARY
    return build_tokenizer((f"{t.prompt}\n{t.answer}" for t in texts), words, recipe.vocabulary)


def _blank(tokenizer: Any, size: Size, seed: int, folder: Path) -> None:
    """Tokenizer and untrained weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            num_key_value_heads=size.heads,
            intermediate_size=size.mlp,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def estimate_s(corpus: Corpus, recipe: Recipe) -> float:
    """How long a build will take here, from a few steps of each stage, in seconds."""
    import tempfile
    import time

    short = replace(recipe, base_steps=4, sentence_steps=4, answer_steps=4, summarizer_steps=4)
    marks: dict[str, list[float]] = {"base LLM": [], "summarizer": []}

    def mark(stage: str, step: int, steps: int) -> None:
        marks[stage].append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        _blank(_tokenizer(corpus, short), short.size, short.seed, Path(folder))
        for train in (train_base, train_summarizer):
            train(LanguageModel(Path(folder)), corpus, short, mark)
    base, summarizer = np.diff(marks["base LLM"]), np.diff(marks["summarizer"])
    stages = (recipe.sentence_steps, recipe.answer_steps, recipe.summarizer_steps)
    learning = sum(summarizer[at + 1 : at + 3].mean() * steps for at, steps in zip((0, 4, 8), stages, strict=True))
    return float(base[1:].mean() * recipe.base_steps + learning)
