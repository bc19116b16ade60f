"""Strategies that are wrong in one way each, or look so in a small world; what they are tried for says so."""

from __future__ import annotations

import random
import re
from typing import Any, ClassVar

import numpy as np

from strategies import Choice, Download, Embed, Evaluate, Generate, Offer, Start, Strategy, Text, Train


class Mistyped(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        yield Download(offer.pllms[0])
        yield Train(start=Start(), texts=3, steps="many")  # type: ignore[arg-type]
        return Start()


class Misspelt(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        yield Train(Start(), phone.texts, step=1)  # type: ignore[call-arg]


class NoSteps(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        return (yield Train(Start(), phone.texts, 0)).start


class NoRequest(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        yield "the model"


class Inner(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        yield from self.ask()

    def ask(self) -> Any:
        yield 7


class NoStart(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        loss = yield Evaluate(Start(), phone.texts)
        return loss


class Unfinished(Strategy):
    pass


class Arity(Strategy):
    def choose(self, phone: Any) -> Any:  # type: ignore[override]
        return Start()


class Stranger(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        yield Evaluate(Start({"nobody": 1.0}), phone.texts)


class Peeks(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        return Start({phone.nearest[0]: 1.0})


class CloudTrains(Strategy):
    def offer(self, cloud: Any) -> Offer:
        cloud.ask(Train(Start(), [Text("p", "a")], 1))
        return Offer()


class NoOffer(Strategy):
    def offer(self, cloud: Any) -> Any:
        return cloud.pool.ids


class NotPlain(Strategy):
    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def choose(self, phone: Any, offer: Any) -> Any:
        return Start()


class TakesReplyForLoss(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        trained = yield Train(Start(), phone.texts, 1)
        return Start({offer.pllms[0]: trained + 1})


class Unknown(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        yield Download(offer.pllms[0])
        return Start({offer.plms[0]: 1.0})


# ---------------------------------------------------------------- not surely wrong


class ManyWanted(Strategy):
    """Needs more pLLMs, texts and probes than a small world has."""

    def offer(self, cloud: Any) -> Offer:
        return Offer(
            [cloud.pool.ids[i] for i in cloud.rng("some").choice(28, 12, replace=False)], {"p": cloud.probes[40]}
        )

    def choose(self, phone: Any, offer: Any) -> Any:
        loss = yield Evaluate(Start({offer.pllms[11]: 1.0}), phone.texts[30:34])
        yield Train(Start(), phone.texts[40:], 1)
        return Choice(Start(), {"a": loss})


class WantsJson(Strategy):
    """Takes apart what a large LLM would have answered."""

    def choose(self, phone: Any, offer: Any) -> Any:
        (answer,) = yield Generate(["Which style? Reply <style>...</style>"], llm="summarizer")
        return Start({offer.pllms[len(re.search("<style>(.*)</style>", answer).group(1)) % 3]: 1.0})  # type: ignore[union-attr]


class NoWord(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        answers = yield Generate(["Say 1, 2 or 3"])
        return Start({offer.pllms[int(answers[0])]: 1.0})


class Counts(Strategy):
    """Fine. Draws from the global generators and keeps count in the instance; notes how often it was made."""

    made: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self._calls = 0
        self.not_in_offer = frozenset({"_calls", "not_in_offer"})
        self.made.append(0)

    def choose(self, phone: Any, offer: Any) -> Any:
        self._calls += 1
        self.made[-1] = self._calls
        yield Embed([str(random.random() + np.random.random())])  # noqa: NPY002
        return Start({offer.pllms[0]: 1.0})


class Exits(Strategy):
    def choose(self, phone: Any, offer: Any) -> Any:
        raise SystemExit(3)
