"""The recipe of the pocket LLMs: a small Llama that writes a corpus's default style, and one that judges styles.

Both are seeded and use only the texts that pLLMs may be trained on, never a user's or held-out ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sim.corpus.base import Corpus
from sim.corpus.stylometry import VOCABULARY, adjectives
from sim.llm.batches import collate, lane_losses
from sim.llm.model import Encoded, LanguageModel
from sim.llm.pocket.tokenizer import build_tokenizer
from sim.streams import stream
from strategies.base import Text
from strategies.xpert.prompts import compare, write

Progress = Callable[[str, int, int], None]
"""Called with (stage, step, steps)."""


@dataclass(frozen=True)
class Recipe:
    """Sizes and lengths of training. Bump `version` when the code changes what comes out."""

    vocabulary: int = 2048
    width: int = 96
    layers: int = 4
    heads: int = 4
    mlp: int = 256
    max_tokens: int = 128
    compare_tokens: int = 320
    base_steps: int = 1500
    summarizer_steps: int = 900
    batch: int = 16
    lr: float = 4e-3
    other_share: float = 0.03
    seed: int = 0
    version: int = 1


def build(corpus: Corpus, folder: Path, recipe: Recipe, progress: Progress = lambda *_: None) -> None:
    """Build base LLM and summarizer into `folder/base` and `folder/summarizer`."""
    base_folder, summarizer_folder = folder / "base", folder / "summarizer"
    _blank(corpus, recipe, base_folder)
    base = LanguageModel(base_folder)
    _train_base(base, corpus, recipe, progress)
    _save(base, base_folder)
    judge = LanguageModel(base_folder)
    _train_summarizer(judge, corpus, recipe, progress)
    _save(judge, summarizer_folder)


def _blank(corpus: Corpus, recipe: Recipe, folder: Path) -> None:
    """Tokenizer and untrained weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    rng = stream(recipe.seed, "tokenizer")
    styles = [corpus.default] * 4 + list(corpus.styles)
    texts = [t for s in styles for t in _some(corpus, s, 200, rng)]
    words = {w for s in corpus.styles.values() for w in s.adjectives} or VOCABULARY
    tokenizer = build_tokenizer((f"{t.prompt}\n{t.answer}" for t in texts), words, recipe.vocabulary)
    torch.manual_seed(recipe.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.width,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            intermediate_size=recipe.mlp,
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


def _save(lm: LanguageModel, folder: Path) -> None:
    lm.model.save_pretrained(folder)  # type: ignore[operator]
    lm.tokenizer.save_pretrained(folder)


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


def _train_summarizer(lm: LanguageModel, corpus: Corpus, recipe: Recipe, progress: Progress) -> None:
    """Two tasks, as an instruction-tuned LLM has them: name the adjective of a pair, write in an adjective's style.

    The first is trained against all fitting adjectives at once (the mean of their cross-entropies).
    """
    rng = stream(recipe.seed, "summarizer")

    def pair() -> tuple[Text, Text, list[str]]:
        return _pair(corpus, rng)

    def loss() -> Tensor:
        pairs = [pair() for _ in range(recipe.batch)]
        prompts = [compare(plain.answer, styled.answer) for plain, styled, _ in pairs]
        named = _naming_loss(lm, prompts, [w for _, _, w in pairs], recipe.compare_tokens)
        texts = [Text(write(w[int(rng.integers(len(w)))], t.prompt), t.answer) for _, t, w in pairs if w]
        batch = collate(lm.encode(texts, recipe.max_tokens + 32), 1, lm.pad_id, lm.device)
        total, count = lane_losses(lm, batch)
        return named + 0.5 * (total / count).sum()

    steps = recipe.summarizer_steps
    _train(lm, loss, steps, recipe.lr / 2, lambda step: progress("summarizer", step, steps))


def _pair(corpus: Corpus, rng: np.random.Generator) -> tuple[Text, Text, list[str]]:
    """A default text, a text of some style on the same prompt where there is one, and the adjectives of the second."""
    names = list(corpus.styles)
    style = names[int(rng.integers(len(names)))]
    styled = _some(corpus, style, 1, rng)[0]
    plain = corpus.answer_to(styled.prompt, rng) or _some(corpus, corpus.default, 1, rng)[0]
    known = corpus.styles[style].adjectives
    return plain, styled, sorted(known) if known else list(adjectives(plain.answer, styled.answer))


def _naming_loss(lm: LanguageModel, prompts: list[str], words: list[list[str]], max_tokens: int) -> Tensor:
    """Cross-entropy of the reply's first token against a uniform mix of the adjectives' tokens."""
    rows = [Encoded(ids, len(ids)) for ids in lm.encode_prompts(prompts, max_tokens)]
    ids = torch.from_numpy(np.stack([np.pad(r.ids, (0, max_tokens - len(r.ids)))[:max_tokens] for r in rows]))
    longest = max(len(r) for r in rows)
    last = torch.tensor([len(r) - 1 for r in rows])
    hidden = lm.hidden(ids[:, :longest].long().to(lm.device))[torch.arange(len(rows)), last]
    logp = F.log_softmax(lm.logits(hidden), dim=-1)
    total = torch.zeros((), device=lm.device)
    for row, fitting in zip(logp, words, strict=True):
        if fitting:
            tokens = [lm.tokenizer(f" {w}", add_special_tokens=False)["input_ids"][0] for w in fitting]
            total = total - row[tokens].mean()
    return total / len(rows)


# ---------------------------------------------------------------- shared


def _bucketed(rows: list[Encoded], batch: int, rng: np.random.Generator) -> Iterator[Encoded]:
    """Rows in batches of like length, batches in random order."""
    rows = sorted(rows, key=len)
    starts = np.arange(0, len(rows) - batch + 1, batch)
    for start in rng.permutation(starts):
        yield from rows[start : start + batch]


def _train(lm: LanguageModel, loss: Callable[[], Tensor], steps: int, lr: float, tick: Callable[[int], None]) -> None:
    """AdamW with warm-up and cosine decay."""
    lm.model.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(lm.model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(steps):
        warm = min(1.0, (step + 1) / 50)
        optimizer.param_groups[0]["lr"] = lr * warm * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        loss().backward()
        torch.nn.utils.clip_grad_norm_(lm.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tick(step + 1)
    lm.model.requires_grad_(False).eval()
