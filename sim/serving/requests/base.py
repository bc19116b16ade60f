"""What the simulator knows of one kind of request, in one class: a new kind is one such handler, and nothing else.

A handler answers requests of its kind, many phones' at once, and counts the work that they take; it says what that work
costs a phone and how many FLOPs it is on any LLM; and it says what a request may take before it is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from devices import Cost, Device, Llm
from devices.basics import Numbers
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.serving.account import Account
from sim.serving.desk import Desk
from strategies.base import Request

R = TypeVar("R", bound=Request[object])
"""The class of requests."""

Tokens = Callable[[str], float]
"""About how many measured tokens a string has."""


@dataclass(frozen=True)
class Asked(Generic[R]):
    """A request, and the account of whoever makes it."""

    request: R
    account: Account


class Handler(ABC, Generic[R]):
    """All that is known of one kind of request.

    Attributes: `request` is the class of the requests, whose name is the kind that work is booked as. `phase` is the
    part of the bill that the work belongs to: "selection", "download" or another of which users.csv has columns.
    """

    request: ClassVar[type[Request[object]]]
    phase: ClassVar[str] = "selection"

    @property
    def kind(self) -> str:
        """The name that work is booked as."""
        return self.request.__name__

    @abstractmethod
    def answer(self, desk: Desk, asked: Sequence[Asked[R]]) -> Sequence[object]:
        """The replies, in the order of the requests. What they took is added to each account's `work`.

        A reply must not lead back to a model or to another user's data: it is a value, or a copy.
        """

    def pllms(self, request: R) -> Iterable[str]:
        """The pLLMs that a request needs on the phone: booked as downloads where they are not there yet."""
        return ()

    def files(self, request: R) -> Mapping[str, float]:
        """What else a request needs on the phone, bytes by name: booked as downloads where it is not there yet."""
        return {}

    def expect(self, request: R, terms: Terms, tokens: Tokens) -> Mapping[str, Figures]:
        """The work that a request is expected to take, by LLM, for its price before it is made."""
        return {}

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        """What work of this kind costs phones, for the deployed LLM of that name; none where it is free."""
        return []

    def flops(self, terms: Terms, name: str, llm: Llm, n: Figures) -> list[Numbers]:
        """FLOPs of work of this kind on an LLM that is used as `name`, phase after phase, tokens as measured."""
        return []


AnyHandler = Handler[Any]
"""A handler of whatever kind of request."""
