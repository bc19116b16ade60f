"""The recipe of the pocket LLMs: a small Llama that writes a corpus's default style, and one that judges styles.

Both are seeded and use only the texts that pLLMs may be trained on, never a user's or held-out ones.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sim.common.cache import seal
from sim.common.errors import UserError
from sim.common.memory import keep_pages
from sim.common.streams import stream
from sim.corpus.base import Corpus
from sim.corpus.stylometry import VOCABULARY
from sim.llm.model import LanguageModel
from sim.pocket.base import train_base
from sim.pocket.fit import some
from sim.pocket.settings import Progress, Recipe, Size
from sim.pocket.summarizer import train_summarizer
from sim.pocket.tokenizer import build_tokenizer


def build(corpus: Corpus, folder: Path, recipe: Recipe, progress: Progress = lambda *_: None) -> None:
    """Build base LLM and summarizer into `folder/base` and `folder/summarizer`, in two processes side by side."""
    tokenizer = _tokenizer(corpus, recipe)
    for name, size in (("base", recipe.base), ("summarizer", recipe.summarizer)):
        _blank(tokenizer, size, recipe.seed, folder / name)
    context = multiprocessing.get_context("spawn")
    said: multiprocessing.Queue[Any] = context.Queue()
    helper = context.Process(target=_train_apart, args=(corpus, folder, recipe, said), daemon=True)
    helper.start()

    def hear(heard: tuple[str, int, int] | UserError) -> None:
        if isinstance(heard, UserError):
            raise heard
        progress(*heard)

    def both(step: tuple[str, int, int]) -> None:
        progress(*step)
        while not said.empty():
            hear(said.get())

    _train_part("base", corpus, folder, recipe, both)
    while helper.is_alive() or not said.empty():
        with contextlib.suppress(queue.Empty):
            hear(said.get(timeout=1.0))
    helper.join()
    if helper.exitcode:
        raise RuntimeError(f"building the summarizer ended with exit status {helper.exitcode}")
    for name in ("base", "summarizer"):
        seal(folder / name)


def _train_apart(corpus: Corpus, folder: Path, recipe: Recipe, said: Any) -> None:
    """Train the summarizer in a process of its own, which puts into a queue how it goes, and an error of the user's."""
    try:
        _train_part("summarizer", corpus, folder, recipe, said.put)
    except UserError as error:
        said.put(error)


def _train_part(
    name: str, corpus: Corpus, folder: Path, recipe: Recipe, say: Callable[[tuple[str, int, int]], None]
) -> None:
    """Train one of the two in place."""
    torch.set_num_threads(1)
    keep_pages()
    lm = LanguageModel(folder / name)

    def tick(stage: str, step: int, steps: int) -> None:
        if step % 10 == 0 or step == steps:
            say((stage, step, steps))

    (train_base if name == "base" else train_summarizer)(lm, corpus, recipe, tick)
    lm.model.half().save_pretrained(folder / name)  # type: ignore[operator]


def _tokenizer(corpus: Corpus, recipe: Recipe) -> Any:
    rng = stream(recipe.seed, "tokenizer")
    styles = [corpus.default] * 4 + list(corpus.styles)
    texts = [t for s in styles for t in some(corpus, s, 200, rng)]
    words = {w for s in corpus.styles.values() for w in s.adjectives} or VOCABULARY
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

    short = replace(recipe, base_steps=4, reader_steps=4, summarizer_steps=4)
    marks: dict[str, list[float]] = {"base LLM": [], "summarizer": []}

    def mark(stage: str, step: int, steps: int) -> None:
        marks[stage].append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        tokenizer = _tokenizer(corpus, short)
        for name, size, train in (
            ("base", short.base, train_base),
            ("summarizer", short.summarizer, train_summarizer),
        ):
            _blank(tokenizer, size, short.seed, Path(folder) / name)
            train(LanguageModel(Path(folder) / name), corpus, short, mark)
    base, summarizer = np.diff(marks["base LLM"]), np.diff(marks["summarizer"])
    reading, naming = summarizer[1:3].mean() * recipe.reader_steps, summarizer[4:].mean() * recipe.summarizer_steps
    return float(max(base[1:].mean() * recipe.base_steps, reading + naming))
