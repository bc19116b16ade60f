"""Tasks to nodes and back: one task a node at a time, longest first, lost ones sent again, a deadline for all."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar, cast

from sim.common.errors import RunFailed, UserError
from sim.transport.nodes import Nodes, Reply

POLL_S = 0.02


Result = TypeVar("Result", covariant=True)


class Task(Protocol[Result]):
    """What a node can be asked to do: simulate a cohort (`sim.messages.Job`), build pLLMs (`sim.pool.plan.Group`)."""

    @property
    def index(self) -> int: ...

    @property
    def label(self) -> str:
        """What it is, for messages."""
        ...

    @property
    def kind(self) -> Hashable:
        """Tasks of a kind take about as long, for each of their `size` parts."""
        ...

    @property
    def size(self) -> int: ...

    def order(self) -> dict[str, object]:
        """What `sim.client_app.answer` is sent."""
        ...

    def read(self, reply: Reply) -> Result:
        """What came of it."""
        ...


T = TypeVar("T", bound=Task[object])
R = TypeVar("R")


class Dispatcher(Generic[T, R]):
    """A queue of tasks; tasks may be added while results arrive.

    Type parameters: the tasks, and what is read of their replies.

    The task that is expected to take longest goes first (by the time that its kind has taken so far; a kind that was
    not seen yet before all), of equals the lowest index. So workers end together.

    Args:
        orders: what every order carries besides its task.
        retries: times that a lost task is sent again.
        ends: when (`time.monotonic`) the run ends with an error.

    Attributes: `resent` counts lost tasks, `workers` the tasks done by each (host, node, process id).
    """

    def __init__(self, nodes: Nodes, orders: Mapping[str, object], retries: int, ends: float) -> None:
        self._nodes, self._orders = nodes, dict(orders)
        self._retries, self._ends = retries, ends
        self._queue: list[T] = []
        self._lost: dict[int, int] = {}
        self._spent: dict[Hashable, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.resent = 0
        self.workers: Counter[tuple[str, str, int]] = Counter()

    def ready(self) -> int:
        """Wait for the nodes; returns how many there are. Raises RunFailed."""
        return len(self._nodes.wait(self._left))

    def add(self, tasks: Sequence[T]) -> None:
        self._queue += tasks

    def __iter__(self) -> Iterator[tuple[T, R]]:
        """Yield (task, result) as they arrive until the queue is empty. Raises RunFailed, and a worker's UserError."""
        self.ready()
        flying: dict[str, tuple[int, T, float]] = {}
        arrived = True
        while self._queue or flying:
            if self._queue and (arrived or not flying):
                self._hand_out(flying)
            self._left()
            arrived = False
            for arrival in self._nodes.receive(list(flying)):
                arrived = True
                _, task, sent = flying.pop(arrival.ticket)
                if arrival.lost:
                    self._again(task, arrival.lost)
                else:
                    result = self._read(task, arrival.reply)
                    self._note(task, time.monotonic() - sent)
                    yield task, result
            if not arrived:
                time.sleep(POLL_S)

    def _hand_out(self, flying: dict[str, tuple[int, T, float]]) -> None:
        """Give every node that is there and has none a task."""
        busy = {node for node, _, _ in flying.values()}
        for node in self._nodes.there():
            if node not in busy and self._queue:
                task = min(self._queue, key=self._urgency)
                self._queue.remove(task)
                order = {**task.order(), **self._orders}
                ticket = self._nodes.send(node, order, max(60.0, self._left()))
                flying[ticket] = (node, task, time.monotonic())

    def _urgency(self, task: T) -> tuple[float, int]:
        seconds, parts = self._spent.get(task.kind, (float("inf"), 1.0))
        return -seconds / parts * task.size, task.index

    def _note(self, task: T, seconds: float) -> None:
        spent = self._spent[task.kind]
        spent[0] += seconds
        spent[1] += task.size

    def _read(self, task: T, reply: Reply) -> R:
        if "refused" in reply:
            raise UserError(reply["refused"])
        if "error" in reply:
            raise RunFailed(f"{reply.get('label', task.label)}: {reply['error']}\n{reply['traceback']}".rstrip())
        self.workers[reply["host"], reply["node"], reply["pid"]] += 1
        return cast(R, task.read(reply))

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
