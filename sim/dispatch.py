"""Tasks to nodes and back: one task a node at a time, lost ones sent again, a deadline for all."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from sim.errors import UserError
from sim.nodes import Nodes

POLL_S = 0.02


class Task(Protocol):
    """What a node can be asked to do: simulate a cohort (`sim.cohort.Job`), build pLLMs (`sim.pllms.Group`)."""

    @property
    def index(self) -> int: ...

    @property
    def label(self) -> str:
        """What it is, for messages."""
        ...

    def order(self) -> dict[str, Any]:
        """What `sim.client_app.answer` is sent."""
        ...

    def read(self, reply: Any) -> Any:
        """What came of it."""
        ...


T = TypeVar("T", bound=Task)


class RunFailed(RuntimeError):  # noqa: N818 - it says what happened
    """The run cannot end well. Says which users and strategy, and why."""


class Dispatcher(Generic[T]):
    """A queue of tasks, lowest index first; tasks may be added while results arrive.

    Args:
        orders: what every order carries besides its task.
        retries: times that a lost task is sent again.
        deadline_s: seconds from now after which the run ends with an error.
    """

    def __init__(self, nodes: Nodes, orders: Mapping[str, str], retries: int, deadline_s: float) -> None:
        self._nodes, self._orders = nodes, dict(orders)
        self._retries, self._ends = retries, time.monotonic() + deadline_s
        self._queue: list[tuple[int, T]] = []
        self._lost: dict[int, int] = {}
        self.resent = 0
        self.workers: set[tuple[str, int]] = set()

    def add(self, tasks: Sequence[T]) -> None:
        for task in tasks:
            heapq.heappush(self._queue, (task.index, task))

    def __iter__(self) -> Iterator[tuple[T, Any]]:
        """Yield (task, result) as they arrive until the queue is empty. Raises RunFailed, and a worker's UserError."""
        free = self._nodes.wait(self._left)
        flying: dict[str, tuple[int, T]] = {}
        while self._queue or flying:
            while self._queue and free:
                _, task = heapq.heappop(self._queue)
                node = free.pop(0)
                order = {**task.order(), **self._orders}
                flying[self._nodes.send(node, order, max(60.0, self._left()))] = (node, task)
            self._left()
            arrived = False
            for arrival in self._nodes.receive(list(flying)):
                arrived = True
                node, task = flying.pop(arrival.ticket)
                free.append(node)
                if arrival.lost:
                    self._again(task, arrival.lost)
                    continue
                yield task, self._read(task, arrival.reply)
            if not arrived:
                time.sleep(POLL_S)

    def _read(self, task: T, reply: Mapping[str, Any]) -> Any:
        if "refused" in reply:
            raise UserError(reply["refused"])
        if "error" in reply:
            raise RunFailed(f"{task.label}: {reply['error']}\n{reply['traceback']}")
        self.workers.add((reply["host"], reply["pid"]))
        return task.read(reply)

    def _again(self, task: T, reason: str) -> None:
        lost = self._lost[task.index] = self._lost.get(task.index, 0) + 1
        if lost > self._retries:
            raise RunFailed(f"{task.label}: lost {lost} times, last because: {reason.strip().splitlines()[-1]}")
        self.resent += 1
        self.add([task])

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise RunFailed("engine.deadline_s is over; what was finished is kept")
        return left
