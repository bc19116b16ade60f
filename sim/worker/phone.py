"""A user's phone as a strategy sees it: its texts, what it knows of itself, what things would cost; no way to more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from devices import total
from sim.common.streams import stream
from sim.ledger.bill import phases
from sim.ledger.terms import Terms
from sim.ledger.work import Work, stacked
from sim.population.phones import OwnPhone
from sim.serving.account import DOWNLOAD
from sim.serving.requests import handler_of, handlers
from strategies.base import Hardware, Price, Request, Text


@dataclass(frozen=True)
class PhoneView:
    """What implements `strategies.base.Phone`.

    It holds plain values and sealed functions, none of which leads to the user's true style, to held-out texts, to
    another user or to a model.

    Args:
        own_texts: gives as many of the user's texts as the phone has (`sim.common.sealed`).
        seed, user_id: decide the random streams.
        own: the phone itself.
        terms: what prices depend on.
        on_phone: whether a pLLM or file of that name lies on the phone already (`sim.common.sealed`).
        truth: the truly closest pLLMs; None where the strategy may not read them.
    """

    own_texts: Callable[[], tuple[Text, ...]]
    seed: int
    user_id: int
    own: OwnPhone
    terms: Terms
    on_phone: Callable[[str], bool]
    truth: tuple[str, ...] | None = None

    @property
    def texts(self) -> Sequence[Text]:
        return self.own_texts()

    @property
    def hardware(self) -> Hardware:
        return self.own.hardware

    def rng(self, purpose: str) -> np.random.Generator:
        return stream(self.seed, self.user_id, "strategy", purpose)

    @property
    def nearest(self) -> Sequence[str]:
        if self.truth is None:
            raise PermissionError("the true style is not this strategy's to read (it must declare reads_truth)")
        return self.truth

    def price(self, request: Request[object]) -> Price:
        handler, work = handler_of(request), Work()
        for llm, figures in handler.expect(request, self.terms, self._tokens).items():
            work.add(handler.kind, llm, **{name: float(number) for name, number in figures.items()})
        pllms, files = {*handler.pllms(request)}, handler.files(request)
        work.add(
            DOWNLOAD,
            pllms=sum(not self.on_phone(name) for name in pllms),
            bytes=sum(size for name, size in files.items() if not self.on_phone(name)),
        )
        cost = total(phases(self.own.device, stacked([work]), self.terms, handlers()).values()).at(0)
        return Price(
            seconds=float(cost.seconds),
            joules=float(cost.joules),
            bytes_down=float(cost.bytes_down),
            bytes_up=float(cost.bytes_up),
            flops=float(cost.flops),
            reason=cost.reason if cost.refused else "",
        )

    def _tokens(self, string: str) -> float:
        """About how many measured tokens a string has: as many a character as a mean text."""
        characters = sum(len(t.prompt) + len(t.answer) for t in self.texts) / max(len(self.texts), 1)
        return len(string) * self.terms.text_tokens / max(characters, 1.0)
