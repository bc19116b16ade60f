"""lexical: count words, as one would without any LLM."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, cast

import numpy as np

from strategies.base import Choice, Cloud, Generate, Offer, Owner, Phone, Start, Strategy, lowest

WORD = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
"""A word, or a punctuation mark by itself."""


class Lexical(Strategy):
    """Start from the pLLM whose own answers use the words of the user's texts: naive Bayes over words.

    The cloud counts the words that each pLLM answers its probes with; all pLLMs are equally probable beforehand. A
    pLLM's word probabilities are smoothed towards those of the whole pool (an informative Dirichlet prior, as in
    Monroe et al., Political Analysis 2008), so a word that it did not happen to use speaks neither for it nor much
    against it. The score is minus the mean log-odds of a word, in nats, between the pLLM and the pool. The phone
    downloads the words and their counts, then the one pLLM. Counting words in its own texts is not billed: beside one
    pass of any LLM it is nothing.

    With `source = "owners"` no pLLM is asked: owners publish how often they used each word in the texts that the pLLM
    was made of. That tells which words somebody uses, names among them.

    Args:
        source: whose words are counted: "answers" of pLLMs, or what their "owners" wrote.
        probes: prompts that every pLLM answers.
        texts: own texts that the phone reads at most; 0: all.
        answer_tokens: longest answer generated.
        temperature: of the answers; greedy ones hide most of a style.
        prior: weight of the pool's word probabilities, in words for each word that is known.
    """

    not_in_offer = frozenset({"texts", "prior"})

    def __init__(
        self,
        probes: int = 50,
        texts: int = 0,
        answer_tokens: int = 64,
        temperature: float = 0.7,
        prior: float = 1.0,
        source: Literal["answers", "owners"] = "answers",
    ) -> None:
        if source not in ("answers", "owners"):
            raise ValueError(f"source = {source!r}: 'answers' or 'owners' is expected")
        if probes < 1 or answer_tokens < 1:
            raise ValueError(f"probes = {probes}, answer_tokens = {answer_tokens}: 1 or more is expected")
        if texts < 0 or temperature < 0:
            raise ValueError(f"texts = {texts}, temperature = {temperature}: 0 or more is expected")
        if not prior > 0:
            raise ValueError(f"prior = {prior}: more than 0 is expected")
        self.source, self.probes, self.texts, self.prior = source, probes, texts, prior
        self.answer_tokens, self.temperature = answer_tokens, temperature

    def publish(self, owner: Owner) -> Mapping[str, object]:
        return dict(_count(text.answer for text in owner.texts))

    def offer(self, cloud: Cloud) -> Offer:
        if not cloud.pool.ids:
            return Offer()
        counted = [self._counted(cloud, pllm) for pllm in cloud.pool.ids]
        words = sorted(set().union(*counted))
        counts = np.array([[mine[word] for word in words] for mine in counted], dtype=np.int64)
        narrow = np.min_scalar_type(int(counts.max(initial=0)))  # every phone downloads them
        return Offer(cloud.pool.ids, {"words": words, "counts": counts.astype(narrow)})

    def _counted(self, cloud: Cloud, pllm: str) -> Counter[str]:
        if self.source == "owners":
            return Counter({word: cast(int, count) for word, count in cloud.published[pllm].items()})
        prompts = list(cloud.probes[: self.probes])
        asked = Generate(prompts, Start({pllm: 1.0}), max_new_tokens=self.answer_tokens, temperature=self.temperature)
        return _count(cloud.ask(asked))

    def choose(self, phone: Phone, offer: Offer) -> Choice | Start:
        if not offer.pllms:
            return Start()
        counts = np.asarray(offer.payload["counts"], dtype=np.float64)
        mine = _count(text.answer for text in phone.texts[: self.texts or None])
        own = np.array([mine[word] for word in offer.payload["words"]])  # type: ignore[attr-defined]
        score = -log_odds(counts, self.prior) @ own / max(own.sum(), 1)
        return Choice(Start({offer.pllms[lowest(score)]: 1.0}), dict(zip(offer.pllms, score.tolist(), strict=True)))


def log_odds(counts: np.ndarray, prior: float) -> np.ndarray:
    """Of each word, between a pLLM and the whole pool: (pLLMs, words), in nats.

    Args:
        counts: (pLLMs, words); every word occurs somewhere. prior: as in `Lexical`.
    """
    pool = counts.sum(axis=0) / max(counts.sum(), 1)
    weight = prior * counts.shape[1]
    smoothed = (counts + weight * pool) / (counts.sum(axis=1, keepdims=True) + weight)
    odds: np.ndarray = np.log(smoothed / pool)
    return odds


def _count(texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs, upper and lower case alike."""
    return Counter(word for text in texts for word in WORD.findall(text.lower()))
