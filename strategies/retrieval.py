"""retrieval: compare embeddings, without a summarizer and without words."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from strategies.base import (
    Choice,
    Choosing,
    Cloud,
    Embed,
    Generate,
    Offer,
    Owner,
    Phone,
    Request,
    Start,
    Strategy,
    lowest,
)


class Retrieval(Strategy):
    """Start from the pLLM whose own answers lie nearest to the user's texts in the base LLM's hidden states.

    After LoraRetriever (Zhao et al., ACL Findings 2024), which embeds samples of each adapter's training data: here the
    cloud has no such data and embeds what each pLLM answers to its probes. Cosine between means, both relative to the
    pool's mean, since an LLM's hidden states all point much the same way. The phone downloads one mean embedding
    a pLLM and then the one pLLM, and reads its texts once with the base LLM.

    With `source = "owners"` each pLLM is described by what it was made of, as in LoraRetriever: owners embed their
    texts and publish the mean.

    Args:
        probes: prompts that every pLLM answers.
        texts: own texts that the phone reads at most; 0: all.
        answer_tokens: longest answer generated.
        source: what stands for a pLLM: its "answers", or what its "owners" wrote.
    """

    not_in_offer = frozenset({"texts"})

    def __init__(
        self,
        probes: int = 32,
        texts: int = 0,
        answer_tokens: int = 64,
        source: Literal["answers", "owners"] = "answers",
    ) -> None:
        if source not in ("answers", "owners"):
            raise ValueError(f"source = {source!r}: 'answers' or 'owners' is expected")
        if probes < 1 or answer_tokens < 1:
            raise ValueError(f"probes = {probes}, answer_tokens = {answer_tokens}: 1 or more is expected")
        if texts < 0:
            raise ValueError(f"texts = {texts}: 0 (all) or more is expected")
        self.probes, self.texts, self.answer_tokens, self.source = probes, texts, answer_tokens, source

    def publish(self, owner: Owner) -> Mapping[str, object]:
        return {"mean": owner.ask(self.reading([t.answer for t in owner.texts])).mean(axis=0)}

    def offer(self, cloud: Cloud) -> Offer:
        if not cloud.pool.ids:
            return Offer()
        means = [self._mean(cloud, pllm) for pllm in cloud.pool.ids]
        return Offer(cloud.pool.ids, {"means": np.stack(means).astype(np.float32)})

    def _mean(self, cloud: Cloud, pllm: str) -> np.ndarray:
        if self.source == "owners":
            return np.asarray(cloud.published[pllm]["mean"])
        prompts = list(cloud.probes[: self.probes])
        answers = cloud.ask(Generate(prompts, Start({pllm: 1.0}), max_new_tokens=self.answer_tokens))
        return np.asarray(cloud.ask(self.reading(answers)).mean(axis=0))

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        if not offer.pllms:
            return Start()
        hidden = yield self.reading([t.answer for t in phone.texts[: self.texts or None]])
        means = np.asarray(offer.payload["means"])
        centre = means.mean(axis=0)
        score = 1 - _unit(means - centre) @ _unit(hidden.mean(axis=0) - centre)
        best = offer.pllms[lowest(score)]
        return Choice(Start({best: 1.0}), dict(zip(offer.pllms, score.tolist(), strict=True)))

    def reading(self, strings: Sequence[str]) -> Request[np.ndarray]:
        """The request whose reply embeds strings: (strings, width)."""
        return Embed(strings, llm="base")


def _unit(v: np.ndarray) -> np.ndarray:
    unit: np.ndarray = v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
    return unit
