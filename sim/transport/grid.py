"""Where jobs are done: the nodes of a Flower Grid."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from sim.common.errors import RunFailed
from sim.transport.nodes import Arrival, Order

ACTION = "train.cohort"
"""The kind of message that orders are sent as (`sim.client_app`)."""


class FlowerNodes:
    """The SuperNodes of a Grid.

    Args:
        ended: why Flower has ended, "" while it runs. Whoever waits for nodes then fails with a RunFailed.
        replace: replaces the worker that does an order (`sim.transport.actors.replace`), where that can be done.
    """

    def __init__(
        self, grid: Grid, ended: Callable[[], str] = str, replace: Callable[[str], None] = lambda ticket: None
    ) -> None:
        self._grid, self._ended, self._replace = grid, ended, replace
        self._all_came = False

    def wait(self, check: Callable[[], object]) -> list[int]:
        """Nodes register in another thread: wait for the first, then, once, for the rest to stop coming."""
        seen = self.there()
        while not (seen and self._all_came):
            check()
            time.sleep(0.2)
            before, seen = seen, self.there()
            self._all_came = bool(seen) and seen == before
        return seen

    def there(self) -> list[int]:
        self._check()
        return sorted(self._grid.get_node_ids())

    def send(self, node: int, order: Order, ttl_s: float) -> str:
        content = RecordDict({"order": ConfigRecord({"json": json.dumps(order)})})
        message = Message(content, message_type=ACTION, dst_node_id=node, ttl=ttl_s)
        return str(next(iter(self._grid.push_messages([message]))))

    def receive(self, tickets: Sequence[str]) -> Iterable[Arrival]:
        self._check()
        for message in self._grid.pull_messages(list(tickets)):
            ticket = message.metadata.reply_to_message_id
            if message.has_error():
                yield Arrival(ticket, {}, lost=str(message.error.reason) or "no reason given")
            else:
                yield Arrival(ticket, json.loads(str(message.content["reply"]["json"])))

    def replace(self, ticket: str) -> None:
        self._replace(ticket)

    def _check(self) -> None:
        if reason := self._ended():
            raise RunFailed(reason)
