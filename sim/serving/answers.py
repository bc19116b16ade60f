"""Answers to strategies' requests, many phones at once: the only way from a strategy to a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from sim.ledger.work import Work
from sim.llm.finetune import evaluate
from sim.llm.infer import embed, generate, next_words
from sim.llm.lanes import Lanes
from sim.llm.model import Encoded, LanguageModel
from sim.pool.pool import Pool
from strategies.base import Download, Embed, Evaluate, Generate, NextWords, Request, Start, Text

PROMPT_TOKENS = 512
"""Longest prompt of an inference request; longer ones lose their beginning."""


class Answers:
    """The resident LLMs of one process, and how requests are put to them.

    Args:
        max_tokens: texts are cut to this many tokens, as in fine-tuning.
        width: lanes in one evaluation batch.
    """

    def __init__(
        self,
        lm: LanguageModel,
        lanes: Lanes,
        summarizer: Callable[[], LanguageModel],
        pool: Pool,
        max_tokens: int,
        width: int,
    ) -> None:
        self.lm, self.lanes, self.pool = lm, lanes, pool
        self._summarizer = summarizer
        self.max_tokens, self.width = max_tokens, width
        self._encoded: dict[Text, Encoded] = {}
        self.own: dict[str, Tensor] = {}
        """Adapters that are not the pool's, until `forget`: those of an offer, and those that phones trained."""

    def llm(self, which: str) -> LanguageModel:
        return self.lm if which == "base" else self._summarizer()

    def encode(self, texts: Sequence[Text]) -> list[Encoded]:
        """Tokenise texts, each once."""
        new = [t for t in dict.fromkeys(texts) if t not in self._encoded]
        self._encoded.update(zip(new, self.lm.encode(new, self.max_tokens), strict=True))
        return [self._encoded[t] for t in texts]

    def forget(self) -> None:
        """Drop the tokenised texts and the own adapters of users that are done."""
        self._encoded.clear()
        self.own.clear()

    def adapter(self, start: Start) -> Tensor:
        """The flat adapter of a start; from scratch, one that changes nothing."""
        if not start.weights:
            return self.lanes.layout.neutral()
        names = sorted(start.weights)
        flats = [self._named(name) for name in names]
        return self.lanes.layout.merge(flats, [start.weights[n] for n in names])

    def _named(self, name: str) -> Tensor:
        return self.own[name] if name in self.own else self.pool.adapter(name, self.lanes.layout)

    def __call__(self, requests: Sequence[Request], books: Sequence[Work]) -> list[Any]:
        """Answer requests, each booked to the ledger beside it. Requests of one kind share batches."""
        replies: list[Any] = [None] * len(requests)
        kinds: Mapping[type, Callable[[Any, Any], list[Any]]] = {
            Download: self._download,
            Evaluate: self._evaluate,
            Generate: self._generate,
            Embed: self._embed,
            NextWords: self._next_words,
        }
        by_kind: dict[type, list[int]] = defaultdict(list)
        for i, request in enumerate(requests):
            if type(request) not in kinds:
                raise TypeError(f"a strategy yielded {request!r}, which is no request")
            by_kind[type(request)].append(i)
            books[i].requests += 1
        for kind, places in by_kind.items():
            some = kinds[kind]([requests[i] for i in places], [books[i] for i in places])
            for i, reply in zip(places, some, strict=True):
                replies[i] = reply
        return replies

    def _download(self, requests: Sequence[Download], books: Sequence[Work]) -> list[None]:
        for request in requests:
            self._named(request.pllm)  # raises where there is no such pLLM
        return [None] * len(requests)

    def _evaluate(self, requests: Sequence[Evaluate], books: Sequence[Work]) -> list[float]:
        losses: list[float] = []
        for at in range(0, len(requests), self.width):
            some = requests[at : at + self.width]
            texts = [self.encode(r.texts) for r in some]
            flat = self.lanes.layout.stack([self.adapter(r.start) for r in some]).to(self.lm.device)
            losses += evaluate(self.lm, self.lanes, flat, texts).tolist()
            for encoded, book in zip(texts, books[at : at + self.width], strict=True):
                book.evaluate_tokens += sum(map(len, encoded))
                book.evaluate_sequences += len(encoded)
                book.evaluate_logits += sum(e.answer_tokens for e in encoded)
        return losses

    def _generate(self, requests: Sequence[Generate], books: Sequence[Work]) -> list[list[str]]:
        groups: dict[tuple[str, Start, int, float], list[int]] = defaultdict(list)
        for i, r in enumerate(requests):
            groups[r.llm, r.start, r.max_new_tokens, r.temperature].append(i)
        replies: list[list[str]] = [[] for _ in requests]
        for (which, start, most, temperature), places in groups.items():
            lm = self.llm(which)
            prompts = list(dict.fromkeys(p for i in places for p in requests[i].prompts))  # answered once, billed each
            adapter = self.adapter(start) if start.weights else None
            texts = generate(lm, prompts, most, self.lanes, adapter, PROMPT_TOKENS, temperature)
            answer = dict(zip(prompts, texts, strict=True))
            encoded = dict(zip(prompts, lm.encode_prompts(prompts, PROMPT_TOKENS), strict=True))
            tokens_out = dict(zip(prompts, (min(most, n + 1) for n in map(len, _tokens(lm, texts))), strict=True))
            for i in places:
                mine = requests[i].prompts
                replies[i] = [answer[p] for p in mine]
                read, wrote = sum(len(encoded[p]) for p in mine), sum(tokens_out[p] for p in mine)
                fixed = shared_tokens([encoded[p] for p in mine])
                if which == "base":
                    books[i].prefill_tokens += read
                    books[i].prefill_fixed_tokens += fixed
                    books[i].prefill_sequences += len(mine)
                    books[i].decode_tokens += wrote
                else:
                    books[i].judge_tokens += read
                    books[i].judge_fixed_tokens += fixed
                    books[i].judge_sequences += len(mine)
                    books[i].judge_decode_tokens += wrote
        return replies

    def _embed(self, requests: Sequence[Embed], books: Sequence[Work]) -> list[np.ndarray]:
        replies: list[np.ndarray] = [np.empty(0)] * len(requests)
        for which in sorted({r.llm for r in requests}):
            places = [i for i, r in enumerate(requests) if r.llm == which]
            prompts = [p for i in places for p in requests[i].prompts]
            lm = self.llm(which)
            hidden, at = embed(lm, prompts, PROMPT_TOKENS), 0
            for i in places:
                count = len(requests[i].prompts)
                replies[i] = hidden[at : at + count]
                at += count
                self._book_reading(lm, which, requests[i].prompts, books[i])
        return replies

    def _next_words(self, requests: Sequence[NextWords], books: Sequence[Work]) -> list[list[tuple[str, float]]]:
        replies = []
        for r, book in zip(requests, books, strict=True):
            lm = self.llm(r.llm)
            words, again = next_words(lm, r.prompts, r.count, PROMPT_TOKENS)
            self._book_reading(lm, r.llm, r.prompts, book, again)
            replies.append(words)
        return replies

    @staticmethod
    def _book_reading(
        lm: LanguageModel, which: str, prompts: Sequence[str], book: Work, again: Sequence[int] = ()
    ) -> None:
        """Book a pass over every prompt, and those that read one again: `again` are the tokens of each."""
        encoded = lm.encode_prompts(prompts, PROMPT_TOKENS)
        passes = len(prompts) + len(again)
        tokens = sum(map(len, encoded)) + sum(again)
        fixed = shared_tokens(encoded) // max(len(prompts), 1) * passes
        if which == "base":
            book.prefill_tokens += tokens
            book.prefill_fixed_tokens += fixed
            book.prefill_sequences += passes
        else:
            book.judge_tokens += tokens
            book.judge_fixed_tokens += fixed
            book.judge_sequences += passes


def _tokens(lm: LanguageModel, texts: Sequence[str]) -> list[list[int]]:
    return lm.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []


def shared_tokens(prompts: Sequence[np.ndarray]) -> int:
    """Tokens that all prompts of a request have in common at both ends, over all prompts: the instruction in them."""
    if len(prompts) < 2:
        return 0
    shortest = min(map(len, prompts))
    before = _alike(np.stack([p[:shortest] for p in prompts]))
    after = _alike(np.stack([p[::-1][:shortest] for p in prompts]))
    return len(prompts) * min(before + after, shortest)


def _alike(rows: np.ndarray) -> int:
    """Leading columns in which all rows agree."""
    return int(np.logical_and.accumulate((rows == rows[0]).all(axis=0)).sum())
