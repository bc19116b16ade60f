"""xpert_cards: owners say how they write, phones compare how they write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import numpy as np

from strategies.base import (
    Choice,
    Choosing,
    Cloud,
    Embed,
    NextWords,
    Offer,
    OutputRows,
    Owner,
    Phone,
    Start,
    States,
    Strategy,
    Text,
    Which,
    lowest,
)
from strategies.xpert.adjectives import ADJECTIVES
from strategies.xpert.basis import Floats
from strategies.xpert.naming import Naming, proposed
from strategies.xpert.prompts import compare


class XpertCards(Strategy):
    """Start from the pLLM whose owner writes most like the user, by Fisher's discriminant of hidden states.

    A pLLM of a few dozen texts hardly writes in its owner's style yet, so what it answers tells little. Here every
    owner publishes a card with the pLLM: mean and scatter of the hidden states of the texts that it was made of,
    averaged over each text's tokens, after the first layers of an LLM. The cloud finds the directions in which owners
    differ more than one owner's texts do (Fisher, Annals of Eugenics 1936); nearest is whose mean, seen from the
    pool's mean, lies most in the direction of the user's, for who writes half in another style lies half as far. The
    phone downloads one direction a pLLM, reads its own texts once with those layers, and then downloads the pLLM that
    it chose. Nothing is generated, and no text leaves a phone.

    The choice is explained in words: owners read their texts to the end of the summarizer, users a few of theirs, and
    ask it for an adjective. A word's vector is its row in the summarizer's output layer, so that none has to be
    written for it; what counts is how much more likely the word is than for the pool. Words serve to explain and have
    no part in the choice.

    What a card leaks: how an owner writes on average and how much the texts differ, by which whoever has somebody's
    other texts may tell whose they are. No text is in it, but of few texts it is nearly their embeddings, which can in
    part be turned back into text. How much more that is than the adapter tells, fine-tuned on the same texts, was not
    measured.

    A small LLM that nobody taught to name styles proposes what its replies begin with, "the" and "while". Then
    `candidates = "adjectives"` takes a fixed list of adjectives instead, and owners propose nothing.

    Args:
        texts: own texts that the phone reads at most; 0: all.
        llm: whose states: "summarizer" or "base".
        depth: share of its layers.
        shrink: towards a scatter that is equal in all directions, as a share of its mean.
        width: numbers of a state that are used at most; a wider one is projected at random, alike for all.
        named: own texts that a user reads for words, and that owners propose words from; 0: no words.
        words: words at most, of those that owners propose.
        candidates: words that may explain: those that owners' summarizers have "proposed", or "adjectives" of a list.
        longest: words of a text that are read at most, its beginning; 0: all.
    """

    not_in_offer = frozenset({"texts"})

    def __init__(
        self,
        texts: int = 0,
        llm: Which = "summarizer",
        depth: float = 0.25,
        shrink: float = 0.01,
        width: int = 256,
        named: int = 8,
        words: int = 60,
        candidates: Literal["proposed", "adjectives"] = "proposed",
        longest: int = 0,
    ) -> None:
        if llm not in ("base", "summarizer"):
            raise ValueError(f"llm = {llm!r}: 'base' or 'summarizer' is expected")
        if min(texts, named, longest) < 0 or min(width, words) < 1:
            raise ValueError(
                f"texts = {texts}, named = {named}, longest = {longest}, width = {width}, words = {words}: "
                "0 or more texts are expected, 1 or more numbers and words"
            )
        if not 0 < depth <= 1 or not 0 < shrink <= 1:
            raise ValueError(f"depth = {depth}, shrink = {shrink}: above 0 and at most 1 is expected")
        if candidates not in ("proposed", "adjectives"):
            raise ValueError(f"candidates = {candidates!r}: 'proposed' or 'adjectives' is expected")
        self.texts, self.llm, self.depth, self.shrink, self.width = texts, llm, depth, shrink, width
        self.named, self.words, self.candidates, self.longest = named, words, candidates, longest

    def reading(self, strings: list[str]) -> States:
        """The request whose reply embeds texts."""
        return States(strings, self.llm, self.depth)

    def publish(self, owner: Owner) -> Mapping[str, object]:
        states = self._narrow(owner.ask(self.reading(_answers(self._read(owner.texts)))))
        apart = states - states.mean(axis=0)
        scatter = (apart.T @ apart)[np.triu_indices(states.shape[1])]
        card: dict[str, object] = {"mean": _float32(states.mean(axis=0)), "scatter": _float32(scatter)}
        if self.named:
            asked = _naming(self._read(owner.texts))
            card["reply"] = _float32(owner.ask(Embed(asked)).mean(axis=0))
            if self.candidates == "proposed":
                card["words"] = dict(owner.ask(NextWords(asked[: self.named], 12)))
        return card | {"texts": len(states)}

    def offer(self, cloud: Cloud) -> Offer:
        if not cloud.pool.ids:
            return Offer()
        cards = [cloud.published[pllm] for pllm in cloud.pool.ids]
        means = np.stack([np.asarray(card["mean"], dtype=np.float64) for card in cards])
        within = _whole(
            np.sum([np.asarray(card["scatter"], dtype=np.float64) for card in cards], axis=0), means.shape[1]
        )
        within /= max(1, sum(cast(int, card["texts"]) - 1 for card in cards))
        within += (self.shrink * np.trace(within) / len(within) + 1e-9) * np.eye(len(within))
        centre = means.mean(axis=0)
        towards = np.linalg.solve(within, (means - centre).T).T
        length = np.sqrt(np.einsum("pw,pw->p", towards, means - centre))  # of a mean, in units of the scatter
        towards /= np.maximum(length, 1e-12)[:, None]
        chosen: dict[str, object] = {"centre": _float32(centre), "towards": _float32(towards)}
        if not self.named:
            return Offer(cloud.pool.ids, chosen)
        words = list(ADJECTIVES)
        if self.candidates == "proposed":
            words = proposed([cast(Mapping[str, float], card["words"]) for card in cards], self.words)
        if not words:
            raise ValueError("the summarizer proposed no word for any owner; named = 0 does without words")
        replies = np.stack([np.asarray(card["reply"], dtype=np.float64) for card in cards])
        rows = cloud.ask(OutputRows(words, whole=self.candidates == "adjectives"))
        naming = Naming.of(words, rows, replies)
        said = {pllm: naming.strengths(reply[None]) for pllm, reply in zip(cloud.pool.ids, replies, strict=True)}
        return Offer(cloud.pool.ids, {**chosen, **naming.payload()}, explanations=said)

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        if not offer.pllms:
            return Start()
        hidden = yield self.reading(_answers(self._read(phone.texts[: self.texts or None])))
        away = self._narrow(hidden).mean(axis=0) - np.asarray(offer.payload["centre"])
        score = -np.asarray(offer.payload["towards"]) @ away
        best, scores = offer.pllms[lowest(score)], dict(zip(offer.pllms, score.tolist(), strict=True))
        words: Mapping[str, float] = {}
        if self.named:
            replies = yield Embed(_naming(self._read(phone.texts[: self.named])))
            words = Naming.of_payload(offer.payload).strengths(replies)
        return Choice(Start({best: 1.0}), scores, words)

    def _read(self, texts: Sequence[Text]) -> Sequence[Text]:
        """Texts without what comes after their first `longest` words."""
        if not self.longest:
            return texts
        return [Text(text.prompt, " ".join(text.answer.split()[: self.longest])) for text in texts]

    def _narrow(self, states: Floats) -> Floats:
        """States (texts, width of the LLM) as doubles, projected where they are wider than `width`."""
        states = np.asarray(states, dtype=np.float64)
        if states.shape[1] <= self.width:
            return states
        drawn = np.random.default_rng(0).standard_normal((states.shape[1], self.width))  # everybody's is the same
        return np.asarray(states @ drawn / np.sqrt(self.width))


def _answers(texts: Sequence[Text]) -> list[str]:
    """What was written, but for what is empty and has no style."""
    return [text.answer for text in texts if text.answer.strip()] or [""]


def _naming(texts: Sequence[Text]) -> list[str]:
    """Questions for the adjective of each text, beside nothing."""
    return [compare("", text.answer) for text in texts]


def _whole(upper: Floats, width: int) -> Floats:
    """The symmetric matrix (width, width) of its upper triangle."""
    out = np.zeros((width, width))
    out[np.triu_indices(width)] = upper
    return np.asarray(out + np.triu(out, 1).T)


def _float32(values: Floats) -> Floats:
    return values.astype(np.float32)
