"""Jobs to nodes and back: one job a node at a time, lost ones sent again, a deadline for all."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sim.cohort import Job, Outcome
from sim.errors import UserError
from sim.nodes import Nodes

POLL_S = 0.02


class RunFailed(RuntimeError):  # noqa: N818 - it says what happened
    """The run cannot end well. Says which users and strategy, and why."""


class Dispatcher:
    """A queue of jobs, lowest index first; jobs may be added while results arrive.

    Args:
        orders: what every order carries besides its job (config and pool).
        retries: times that a lost job is sent again.
        deadline_s: seconds from now after which the run ends with an error.
    """

    def __init__(self, nodes: Nodes, orders: Mapping[str, str], retries: int, deadline_s: float) -> None:
        self._nodes, self._orders = nodes, dict(orders)
        self._retries, self._ends = retries, time.monotonic() + deadline_s
        self._queue: list[tuple[int, Job]] = []
        self._lost: dict[int, int] = {}
        self.resent = 0
        self.workers: set[tuple[str, int]] = set()

    def add(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            heapq.heappush(self._queue, (job.index, job))

    def __iter__(self) -> Iterator[tuple[Job, list[Outcome]]]:
        """Yield (job, outcomes) as they arrive until the queue is empty. Raises RunFailed, and a worker's UserError."""
        free = self._nodes.wait(self._left)
        flying: dict[str, tuple[int, Job]] = {}
        while self._queue or flying:
            while self._queue and free:
                _, job = heapq.heappop(self._queue)
                node = free.pop(0)
                order = {"job": vars(job), **self._orders}
                flying[self._nodes.send(node, order, max(60.0, self._left()))] = (node, job)
            self._left()
            arrived = False
            for arrival in self._nodes.receive(list(flying)):
                arrived = True
                node, job = flying.pop(arrival.ticket)
                free.append(node)
                if arrival.lost:
                    self._again(job, arrival.lost)
                    continue
                yield job, self._read(job, arrival.reply)
            if not arrived:
                time.sleep(POLL_S)

    def _read(self, job: Job, reply: Mapping[str, Any]) -> list[Outcome]:
        if "refused" in reply:
            raise UserError(reply["refused"])
        if "error" in reply:
            raise RunFailed(f"{_named(job)}: {reply['error']}\n{reply['traceback']}")
        self.workers.add((reply["host"], reply["pid"]))
        return [Outcome(**{**o, "curve": [(int(s), float(v)) for s, v in o["curve"]]}) for o in reply["outcomes"]]

    def _again(self, job: Job, reason: str) -> None:
        lost = self._lost[job.index] = self._lost.get(job.index, 0) + 1
        if lost > self._retries:
            raise RunFailed(f"{_named(job)}: lost {lost} times, last because: {reason.strip().splitlines()[-1]}")
        self.resent += 1
        self.add([job])

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise RunFailed("engine.deadline_s is over; what was finished is kept")
        return left


def _named(job: Job) -> str:
    first, last = job.users[0], job.users[-1]
    return f"users {first} to {last}, strategy {job.strategy}, {job.amount:.0%} of the texts"
