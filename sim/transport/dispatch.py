"""Tasks to nodes and back: one a node at a time, longest first, lost ones sent again, a deadline for each and all."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar, cast

from sim.common.errors import RunFailed, UserError
from sim.transport.nodes import Nodes, Reply

POLL_S = 0.02
SLACK = 20.0
"""A task hangs that takes this many times as long as the slowest of its kind and size so far,"""
PATIENCE_S = 600.0
"""and at least this long: a new worker loads the LLM first, and may have to fetch it."""

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
        """What `sim.worker.orders.answer` is sent."""
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
        task_s: seconds after which a task hangs: its worker is replaced, and it is lost. 0: by what its kind has taken
            (`SLACK`, `PATIENCE_S`); a kind that was not seen yet may take as long as the run. Each time that a task is
            lost it may take twice as long.

    Attributes: `resent` counts lost tasks, `workers` the tasks done by each (host, node, process id).
    """

    def __init__(
        self, nodes: Nodes, orders: Mapping[str, object], retries: int, ends: float, task_s: float = 0.0
    ) -> None:
        self._nodes, self._orders = nodes, dict(orders)
        self._retries, self._ends, self._task_s = retries, ends, task_s
        self._queue: list[T] = []
        self._lost: dict[int, int] = {}
        self._spent: dict[Hashable, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._slowest: dict[Hashable, float] = {}
        self._hung: dict[str, str] = {}
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
            self._replace_hung(flying)
            arrived = False
            for arrival in self._nodes.receive(list(flying)):
                arrived = True
                _, task, sent = flying.pop(arrival.ticket)
                hung = self._hung.pop(arrival.ticket, "")
                if arrival.lost:
                    self._again(task, hung or arrival.lost)
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

    def _replace_hung(self, flying: Mapping[str, tuple[int, T, float]]) -> None:
        """Have the workers replaced whose tasks take too long; the tasks then arrive as lost."""
        for ticket, (_, task, sent) in flying.items():
            allowed = self._task_s or max(PATIENCE_S, SLACK * self._slowest.get(task.kind, float("inf")) * task.size)
            allowed *= 2 ** self._lost.get(task.index, 0)  # the new worker has to load everything again
            if time.monotonic() - sent > allowed and ticket not in self._hung:
                self._hung[ticket] = f"no answer within {allowed:.3g} s (engine.job_deadline_s)"
                self._nodes.replace(ticket)

    def _urgency(self, task: T) -> tuple[float, int]:
        seconds, parts = self._spent.get(task.kind, (float("inf"), 1.0))
        return -seconds / parts * task.size, task.index

    def _note(self, task: T, seconds: float) -> None:
        spent = self._spent[task.kind]
        spent[0] += seconds
        spent[1] += task.size
        self._slowest[task.kind] = max(self._slowest.get(task.kind, 0.0), seconds / task.size)

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
