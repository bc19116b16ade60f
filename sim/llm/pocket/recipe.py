"""The recipe of the pocket LLMs: a small Llama that writes a corpus's default style, and one that judges styles.

Both are seeded and use only the texts that pLLMs may be trained on, never a user's or held-out ones.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sim.corpus.base import Corpus
from sim.corpus.stylometry import VOCABULARY, adjectives
from sim.llm.batches import collate, lane_losses
from sim.llm.model import Encoded, LanguageModel, pad
from sim.llm.pocket.babble import Babble
from sim.llm.pocket.tokenizer import build_tokenizer
from sim.memory import keep_pages
from sim.streams import stream
from strategies.base import Text
from strategies.xpert.prompts import compare, write

Progress = Callable[[str, int, int], None]
"""Called with (stage, step, steps)."""


@dataclass(frozen=True)
class Size:
    """Of a Llama with tied embeddings."""

    width: int
    layers: int
    heads: int
    mlp: int


@dataclass(frozen=True)
class Recipe:
    """Sizes and lengths of training. Bump `version` when the code changes what comes out."""

    vocabulary: int = 4096
    base: Size = Size(width=96, layers=4, heads=4, mlp=256)
    summarizer: Size = Size(width=96, layers=4, heads=3, mlp=256)
    max_tokens: int = 128
    compare_tokens: int = 320
    base_steps: int = 8000
    reader_steps: int = 3000
    summarizer_steps: int = 1000
    batch: int = 16
    lr: float = 4e-3
    other_share: float = 0.1
    seed: int = 0
    version: int = 2


QUICK = Recipe(vocabulary=2048, base_steps=1000, reader_steps=300, summarizer_steps=150, compare_tokens=256)
"""For corpora of long real texts: minutes, not a quarter of an hour."""


def build(corpus: Corpus, folder: Path, recipe: Recipe, progress: Progress = lambda *_: None) -> None:
    """Build base LLM and summarizer into `folder/base` and `folder/summarizer`, in two processes side by side."""
    tokenizer = _tokenizer(corpus, recipe)
    for name, size in (("base", recipe.base), ("summarizer", recipe.summarizer)):
        _blank(tokenizer, size, recipe.seed, folder / name)
    context = multiprocessing.get_context("spawn")
    said: multiprocessing.Queue[tuple[str, int, int]] = context.Queue()
    helper = context.Process(target=_train_part, args=("summarizer", corpus, folder, recipe, said.put), daemon=True)
    helper.start()

    def both(step: tuple[str, int, int]) -> None:
        progress(*step)
        while not said.empty():
            progress(*said.get())

    _train_part("base", corpus, folder, recipe, both)
    while helper.is_alive():
        with contextlib.suppress(queue.Empty):
            progress(*said.get(timeout=1.0))
    helper.join()
    if helper.exitcode:
        raise RuntimeError(f"building the summarizer ended with exit status {helper.exitcode}")


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

    (_train_base if name == "base" else _train_summarizer)(lm, corpus, recipe, tick)
    lm.model.half().save_pretrained(folder / name)  # type: ignore[operator]


def _tokenizer(corpus: Corpus, recipe: Recipe) -> Any:
    rng = stream(recipe.seed, "tokenizer")
    styles = [corpus.default] * 4 + list(corpus.styles)
    texts = [t for s in styles for t in _some(corpus, s, 200, rng)]
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


def _some(corpus: Corpus, style: str, count: int, rng: np.random.Generator) -> list[Text]:
    """Up to `count` pool texts of a style."""
    return corpus.draw(style, "pool", min(count, corpus.available(style, "pool")), rng)


# ---------------------------------------------------------------- base LLM


def _train_base(lm: LanguageModel, corpus: Corpus, recipe: Recipe, progress: Progress) -> None:
    """Next-token training on default text, with a few percent of other styles.

    A base that has seen all styles equally would leave nothing to personalise (docs/log.md).
    """

    def rows(rng: np.random.Generator) -> Iterator[Encoded]:
        others = list(corpus.styles)
        while True:
            count = 64 * recipe.batch
            odd = int(rng.binomial(count, recipe.other_share))
            texts = _some(corpus, corpus.default, count - odd, rng)
            texts += [_some(corpus, others[int(rng.integers(len(others)))], 1, rng)[0] for _ in range(odd)]
            whole = [Encoded(e.ids, 1) for e in lm.encode(texts, recipe.max_tokens)]
            yield from _bucketed(whole, recipe.batch, rng)

    source = rows(stream(recipe.seed, "base"))

    def loss() -> Tensor:
        batch = collate([next(source) for _ in range(recipe.batch)], 1, lm.pad_id, lm.device)
        total, count = lane_losses(lm, batch)
        return (total / count).sum()

    _train(lm, loss, recipe.base_steps, recipe.lr, lambda step: progress("base LLM", step, recipe.base_steps))


# ---------------------------------------------------------------- summarizer


@dataclass(frozen=True)
class _Pair:
    """A default text, a text of some style (on the same prompt where there is one), and words for the second.

    `read` are the two answers as the summarizer reads them.
    """

    plain: Text
    styled: Text
    words: list[str]
    read: tuple[str, str]


class _Pairs:
    """Draws pairs. Each answer is read as it is or, as often, as babble of its style: what a small LLM writes is
    nonsense with the right sound, and the summarizer has to hear its style as well."""

    def __init__(self, corpus: Corpus, rng: np.random.Generator) -> None:
        self.corpus, self.rng = corpus, rng
        self.babble = {
            style: Babble([t.answer for t in _some(corpus, style, 200, rng)])
            for style in (corpus.default, *corpus.styles)
        }

    def draw(self) -> _Pair:
        corpus, rng = self.corpus, self.rng
        names = list(corpus.styles)
        style = names[int(rng.integers(len(names)))]
        styled = _some(corpus, style, 1, rng)[0]
        plain = corpus.answer_to(styled.prompt, rng) or _some(corpus, corpus.default, 1, rng)[0]
        known = corpus.styles[style].adjectives
        words = sorted(known) if known else list(adjectives(plain.answer, styled.answer))
        return _Pair(plain, styled, words, (self._read(corpus.default, plain), self._read(style, styled)))

    def _read(self, style: str, text: Text) -> str:
        return self.babble[style](self.rng) if self.rng.random() < 0.5 else text.answer


def _train_summarizer(lm: LanguageModel, corpus: Corpus, recipe: Recipe, progress: Progress) -> None:
    """First it learns to write every style alike, then two tasks, as an instruction-tuned LLM has them: name the
    adjective of a pair, write in an adjective's style.

    Naming one word in a whole pair is little to learn from, so a linear head, dropped afterwards, names the words at
    every position of the second text as well.
    """
    rng = stream(recipe.seed, "summarizer")
    words = sorted({w for s in corpus.styles.values() for w in s.adjectives} or VOCABULARY)
    probe = torch.nn.Linear(recipe.summarizer.width, len(words)).to(lm.device)
    names, drawn = _Names(lm, words), _Pairs(corpus, rng)

    def batches() -> Iterator[list[_Pair]]:
        while True:
            pairs = [p for p in (drawn.draw() for _ in range(8 * recipe.batch)) if p.words]
            pairs.sort(key=lambda p: len(p.read[0]) + len(p.read[1]))
            for start in rng.permutation(range(0, len(pairs) - recipe.batch + 1, recipe.batch)):
                yield pairs[start : start + recipe.batch]

    source = batches()

    def writing(pairs: list[_Pair], said: list[str]) -> Tensor:
        texts = [Text(write(w, p.styled.prompt), p.styled.answer) for w, p in zip(said, pairs, strict=True)]
        total, count = lane_losses(lm, collate(lm.encode(texts, recipe.max_tokens), 1, lm.pad_id, lm.device))
        return (total / count).sum()

    def said(pairs: list[_Pair]) -> list[str]:
        return [p.words[int(rng.integers(len(p.words)))] for p in pairs]

    def reading_loss() -> Tensor:
        pairs = next(source)
        plain = lm.encode([p.plain for p in pairs[::4]], recipe.max_tokens)
        total, count = lane_losses(lm, collate(plain, 1, lm.pad_id, lm.device))
        return writing(pairs, said(pairs)) + 0.25 * (total / count).sum()

    def loss() -> Tensor:
        pairs = next(source)
        words = said(pairs)
        return names.loss(pairs, words, probe, recipe.compare_tokens) + 0.5 * writing(pairs, words)

    total = recipe.reader_steps + recipe.summarizer_steps
    _train(lm, reading_loss, recipe.reader_steps, recipe.lr, lambda n: progress("summarizer", n, total))
    extra = list(probe.parameters())
    at = recipe.reader_steps
    _train(lm, loss, recipe.summarizer_steps, recipe.lr, lambda n: progress("summarizer", at + n, total), extra)


class _Names:
    """The naming task's loss."""

    def __init__(self, lm: LanguageModel, words: list[str]) -> None:
        self.lm, self.words = lm, words
        tokens = lm.tokenizer([f" {w}" for w in words], add_special_tokens=False)["input_ids"]
        self.tokens = torch.tensor([t[0] for t in tokens], device=lm.device)
        self.end = lm.tokenizer.eos_token_id

    def loss(self, pairs: list[_Pair], said: list[str], probe: torch.nn.Linear, max_tokens: int) -> Tensor:
        """Cross-entropy of reply and probe against all fitting words alike, and of the end after the word said."""
        lm = self.lm
        prompts = lm.encode_prompts([compare(*p.read) for p in pairs], max_tokens)
        second = lm.encode_prompts([compare(p.read[0], "") for p in pairs], max_tokens)
        reply = [int(self.tokens[self.words.index(w)]) for w in said]
        rows = [np.append(ids, token) for ids, token in zip(prompts, reply, strict=True)]
        ids = torch.from_numpy(pad(rows, lm.pad_id)).to(lm.device)
        hidden = lm.hidden(ids)
        row = torch.arange(len(rows), device=lm.device)
        last = torch.tensor([len(p) - 1 for p in prompts], device=lm.device)
        wanted = torch.zeros(len(rows), len(self.words), device=lm.device)
        for i, pair in enumerate(pairs):
            for word in pair.words:
                wanted[i, self.words.index(word)] = 1 / len(pair.words)
        first = F.log_softmax(lm.logits(hidden[row, last]), dim=-1)[:, self.tokens]
        end = F.cross_entropy(lm.logits(hidden[row, last + 1]), torch.full_like(last, self.end))
        at = torch.arange(ids.shape[1], device=lm.device)[None]
        begins = torch.tensor([len(s) - 20 for s in second], device=lm.device)[:, None]
        seen = (at > begins) & (at <= last[:, None])
        everywhere = F.log_softmax(probe(hidden), dim=-1)
        probed = -(everywhere * wanted[:, None]).sum(-1)[seen].mean()
        return -(first * wanted).sum(-1).mean() + probed + 0.2 * end


# ---------------------------------------------------------------- shared


def _bucketed(rows: list[Encoded], batch: int, rng: np.random.Generator) -> Iterator[Encoded]:
    """Rows in batches of like length, batches in random order."""
    rows = sorted(rows, key=len)
    starts = np.arange(0, len(rows) - batch + 1, batch)
    for start in rng.permutation(starts):
        yield from rows[start : start + batch]


def _train(
    lm: LanguageModel,
    loss: Callable[[], Tensor],
    steps: int,
    lr: float,
    tick: Callable[[int], None],
    extra: Sequence[torch.nn.Parameter] = (),
) -> None:
    """AdamW with warm-up and cosine decay."""
    lm.model.requires_grad_(True).train()
    parameters = [*lm.model.parameters(), *extra]
    optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(steps):
        warm = min(1.0, (step + 1) / 50)
        optimizer.param_groups[0]["lr"] = lr * warm * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        loss().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tick(step + 1)
    lm.model.requires_grad_(False).eval()


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
            ("base", short.base, _train_base),
            ("summarizer", short.summarizer, _train_summarizer),
        ):
            _blank(tokenizer, size, short.seed, Path(folder) / name)
            train(LanguageModel(Path(folder) / name), corpus, short, mark)
    base, summarizer = np.diff(marks["base LLM"]), np.diff(marks["summarizer"])
    reading, naming = summarizer[1:3].mean() * recipe.reader_steps, summarizer[4:].mean() * recipe.summarizer_steps
    return float(max(base[1:].mean() * recipe.base_steps, reading + naming))
