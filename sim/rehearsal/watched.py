"""A strategy whose phones are watched: what each asks for, and at which line of its own code."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import GeneratorType

from strategies.base import Choice, Choosing, Offer, Phone, Request, Start, Strategy

Noted = Callable[[Phone, Request[object]], object]


class Watched(Strategy):
    """Chooses as another strategy does.

    Attributes: `at` is the file and line of the last `yield`, None before the first.

    Args:
        noted: told every request before it is answered, and who makes it.
    """

    def __init__(self, own: Strategy, noted: Noted) -> None:
        self._own, self._noted = own, noted
        self.reads_truth = own.reads_truth
        self.at: tuple[str, int] | None = None

    def choose(self, phone: Phone, offer: Offer) -> Choosing | Choice | Start:
        chosen = self._own.choose(phone, offer)
        return self._asking(phone, chosen) if isinstance(chosen, Generator) else chosen

    def _asking(self, phone: Phone, own: Choosing) -> Choosing:
        reply = None
        while True:
            try:
                request = own.send(reply)
            except StopIteration as end:
                chosen: Choice | Start = end.value
                return chosen
            self.at = _line(own)
            self._noted(phone, request)
            reply = yield request


def _line(own: object) -> tuple[str, int] | None:
    """Where a generator waits, or the one that it yields from."""
    at = None
    while isinstance(own, GeneratorType) and own.gi_frame is not None:
        at = own.gi_frame.f_code.co_filename, own.gi_frame.f_lineno
        own = own.gi_yieldfrom
    return at
