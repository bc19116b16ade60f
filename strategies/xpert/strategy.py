"""The selector: the cloud explains each pLLM in words once, the phone explains its own texts and compares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from strategies.base import (
    Asking,
    Choice,
    Choosing,
    Cloud,
    Embed,
    Generate,
    NextWords,
    Offer,
    Phone,
    Start,
    Strategy,
    Text,
    lowest,
)
from strategies.xpert.basis import Basis, Floats, distances, select_words
from strategies.xpert.prompts import compare, write


class Xpert(Strategy):
    """Start from the pLLM whose explanation is nearest to that of the user's own texts (XPerT, steps 1 to 4 and 6).

    The phone downloads the words' vectors and every pLLM's coordinates (kilobytes), answers its own prompts with the
    base LLM, reads each pair with the summarizer, and downloads the one pLLM it chose.

    Args:
        probes: prompts on which pLLMs are compared with the base LLM.
        texts: own texts that the phone reads at most; 0: all.
        candidates: words proposed by the summarizer.
        word_probes: prompts on which a word's vector is made.
        e_ortho: a word is kept only while its cosine to every kept word is under this; high, for words of neighbouring
            levels (polite, corporate) are alike and both are needed.
        e_decomp: words are added until the mean relative residual is under this.
        metric: "cosine" or "l2".
        answer_tokens: longest answer generated.
        temperature: of the pLLMs' answers to probes and of texts in a word's style; greedy ones hide most of a style.
    """

    not_in_offer = frozenset({"texts", "metric"})

    def __init__(
        self,
        probes: int = 50,
        texts: int = 0,
        candidates: int = 60,
        word_probes: int = 24,
        e_ortho: float = 0.97,
        e_decomp: float = 0.1,
        metric: Literal["cosine", "l2"] = "cosine",
        answer_tokens: int = 64,
        temperature: float = 0.7,
    ) -> None:
        if metric not in ("cosine", "l2"):
            raise ValueError(f"metric = {metric!r}: 'cosine' or 'l2' is expected")
        self.probes, self.texts, self.candidates, self.word_probes = probes, texts, candidates, word_probes
        self.e_ortho, self.e_decomp = e_ortho, e_decomp
        self.metric, self.answer_tokens, self.temperature = metric, answer_tokens, temperature

    # ------------------------------------------------------------ cloud

    def offer(self, cloud: Cloud) -> Offer:
        if not cloud.pool.ids:
            return Offer()
        prompts = list(cloud.probes[: self.probes])
        plain = cloud.ask(Generate(prompts, max_new_tokens=self.answer_tokens))
        # Unstyled against unstyled: a base answer beside another one, where no style can be read.
        origin = self._embed(cloud, plain, plain[1:] + plain[:1])
        pairs, embeddings = [], []
        for pllm in cloud.pool.ids:
            asked = Generate(
                prompts, Start({pllm: 1.0}), max_new_tokens=self.answer_tokens, temperature=self.temperature
            )
            styled = cloud.ask(asked)
            pairs.append([compare(a, b) for a, b in zip(plain, styled, strict=True)])
            embeddings.append(cloud.ask(Embed(pairs[-1])).mean(axis=0))
        away = np.stack(embeddings) - origin
        vectors = self._word_vectors(cloud, self._proposed(cloud, pairs), prompts, plain, origin)
        if not vectors:
            raise ValueError("the summarizer proposed no word for any pLLM; is it an instruction-tuned LLM?")
        # pLLMs that answer exactly as the base does need no word; one is kept so that coordinates exist.
        words = select_words(vectors, away, self.e_ortho, self.e_decomp) or list(vectors)[:1]
        basis = Basis.of({word: vectors[word] for word in words}, origin)
        z = basis.coordinates(np.stack(embeddings)).astype(np.float32)
        return Offer(
            pllms=cloud.pool.ids,
            payload={**basis.payload(), "z": z},
            explanations={pllm: basis.named(row) for pllm, row in zip(cloud.pool.ids, z, strict=True)},
            coordinates={pllm: basis.by_word(row) for pllm, row in zip(cloud.pool.ids, z, strict=True)},
        )

    def _proposed(self, cloud: Cloud, pairs: Sequence[Sequence[str]]) -> list[str]:
        """The words that the summarizer itself would reply for each pLLM, most probable of all first."""
        votes: dict[str, float] = {}
        for some in pairs:
            for word, probability in cloud.ask(NextWords(some, 12)):
                votes[word] = votes.get(word, 0.0) + probability
        return sorted(votes, key=lambda w: (-votes[w], w))[: self.candidates]

    def _word_vectors(
        self, cloud: Cloud, words: Sequence[str], prompts: Sequence[str], plain: Sequence[str], origin: Floats
    ) -> dict[str, Floats]:
        """A word's vector: the embedding of text that the summarizer writes in that style, against unstyled text."""
        vectors: dict[str, Floats] = {}
        for word in words:
            asked = [write(word, p) for p in prompts[: self.word_probes]]
            styled = cloud.ask(
                Generate(asked, llm="summarizer", max_new_tokens=self.answer_tokens, temperature=self.temperature)
            )
            vectors[word] = self._embed(cloud, plain[: self.word_probes], styled) - origin
        return vectors

    @staticmethod
    def _embed(cloud: Cloud, plain: Sequence[str], styled: Sequence[str]) -> Floats:
        hidden = cloud.ask(Embed([compare(a, b) for a, b in zip(plain, styled, strict=True)]))
        return np.asarray(hidden.mean(axis=0))

    # ------------------------------------------------------------ phone

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        if not offer.pllms:
            return Start()
        basis, pool = Basis.of_payload(offer.payload), np.asarray(offer.payload["z"])
        read = yield from self.read(phone.texts[: self.texts or None], basis, pool)
        z = read.mean(axis=0)
        score = distances(z, pool, self.metric)
        weights = self.weigh(z, pool, score)
        return Choice(
            Start({offer.pllms[i]: w for i, w in weights.items()}),
            dict(zip(offer.pllms, score.tolist(), strict=True)),
            basis.named(z),
            basis.by_word(z),
        )

    def read(self, texts: Sequence[Text], basis: Basis, pool: Floats) -> Asking[Floats]:
        """Read own texts against the base LLM's answers: their coordinates (texts read, words), here of all texts.

        Args:
            pool: the pLLMs' coordinates (pLLMs, words).
        """
        plain = yield Generate([t.prompt for t in texts], max_new_tokens=self.answer_tokens)
        hidden = yield Embed([compare(a, t.answer) for a, t in zip(plain, texts, strict=True)])
        return basis.coordinates(hidden)

    def weigh(self, z: Floats, pool: Floats, score: Floats) -> dict[int, float]:
        """Weights of the start by place in the pool: here all on the nearest pLLM.

        Args:
            z: the user's coordinates (words,). pool: the pLLMs' (pLLMs, words). score: distances (pLLMs,).
        """
        return {lowest(score): 1.0}
