"""Where jobs are done: the interface that the dispatcher sees, and this process. `grid.py` has those of Flower."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Order = Mapping[str, object]
"""What a worker is asked to do, as JSON."""
Reply = Mapping[str, Any]
"""What it answers, as JSON."""


@dataclass(frozen=True)
class Arrival:
    """A node's reply to an order, or why there is none (`lost`)."""

    ticket: str
    reply: Reply
    lost: str = ""


class Nodes(Protocol):
    def wait(self, check: Callable[[], object]) -> list[int]:
        """The nodes, once they are there; calls `check` while waiting."""
        ...

    def there(self) -> Sequence[int]:
        """The nodes that are there now: some may have gone, or come."""
        ...

    def send(self, node: int, order: Order, ttl_s: float) -> str:
        """Give an order to a node; returns its ticket."""
        ...

    def receive(self, tickets: Sequence[str]) -> Iterable[Arrival]:
        """Replies that have come to these tickets, each once."""
        ...

    def replace(self, ticket: str) -> None:
        """Put a new worker in the place of the one that has an order, which is then lost. Where it can be done."""
        ...


class InlineNodes:
    """One node, this process: an order is done when its reply is asked for, and nothing interrupts it.

    For debugging and tests.

    Args:
        answer: does an order (`sim.worker.orders.answer`).
    """

    def __init__(self, answer: Callable[[Order], Reply]) -> None:
        self._answer = answer
        self._orders: dict[str, Order] = {}
        self._sent = 0

    def wait(self, check: Callable[[], object]) -> list[int]:
        return [0]

    def there(self) -> list[int]:
        return [0]

    def send(self, node: int, order: Order, ttl_s: float) -> str:
        self._sent += 1
        self._orders[str(self._sent)] = order
        return str(self._sent)

    def receive(self, tickets: Sequence[str]) -> Iterable[Arrival]:
        for ticket in tickets:
            order = self._orders.pop(ticket)
            yield Arrival(ticket, json.loads(json.dumps(self._answer(json.loads(json.dumps(order))))))

    def replace(self, ticket: str) -> None:
        pass
