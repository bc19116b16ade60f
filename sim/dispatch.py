"""Jobs to nodes and back: one job a node at a time, longest first, lost ones sent again, a deadline for all."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sim.cohort import Job, Outcome
from sim.errors import RunFailed, UserError
from sim.nodes import Nodes

__all__ = ["Dispatcher", "RunFailed"]

POLL_S = 0.02


class Dispatcher:
    """A queue of jobs; jobs may be added while results arrive.

    The job that is expected to take longest goes first (by the seconds a user that its kind has taken; a kind that was
    not seen yet before all), of equals the lowest index. So workers end together.

    Args:
        orders: what every order carries besides its job (config and pool).
        retries: times that a lost job is sent again.
        deadline_s: seconds from now after which the run ends with an error.

    Attributes: `resent` counts lost jobs, `workers` the jobs done by each (host, node, process id).
    """

    def __init__(self, nodes: Nodes, orders: Mapping[str, str], retries: int, deadline_s: float) -> None:
        self._nodes, self._orders = nodes, dict(orders)
        self._retries, self._ends = retries, time.monotonic() + deadline_s
        self._queue: list[Job] = []
        self._lost: dict[int, int] = {}
        self._spent: dict[tuple[str, float], list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.resent = 0
        self.workers: Counter[tuple[str, str, int]] = Counter()

    def ready(self) -> int:
        """Wait for the nodes; returns how many there are. Raises RunFailed."""
        return len(self._nodes.wait(self._left))

    def add(self, jobs: Sequence[Job]) -> None:
        self._queue += jobs

    def __iter__(self) -> Iterator[tuple[Job, list[Outcome]]]:
        """Yield (job, outcomes) as they arrive until the queue is empty. Raises RunFailed, and a worker's UserError."""
        self.ready()
        flying: dict[str, tuple[int, Job]] = {}
        arrived = True
        while self._queue or flying:
            if self._queue and (arrived or not flying):
                self._hand_out(flying)
            self._left()
            arrived = False
            for arrival in self._nodes.receive(list(flying)):
                arrived = True
                _, job = flying.pop(arrival.ticket)
                if arrival.lost:
                    self._again(job, arrival.lost)
                else:
                    yield job, self._read(job, arrival.reply)
            if not arrived:
                time.sleep(POLL_S)

    def _hand_out(self, flying: dict[str, tuple[int, Job]]) -> None:
        """Give every node that is there and has none a job."""
        busy = {node for node, _ in flying.values()}
        for node in self._nodes.there():
            if node not in busy and self._queue:
                job = min(self._queue, key=self._urgency)
                self._queue.remove(job)
                order = {"job": asdict(job), **self._orders}
                flying[self._nodes.send(node, order, max(60.0, self._left()))] = (node, job)

    def _urgency(self, job: Job) -> tuple[float, int]:
        seconds, users = self._spent.get((job.strategy, job.amount), (float("inf"), 1.0))
        return -seconds / users * len(job.users), job.index

    def _read(self, job: Job, reply: Mapping[str, Any]) -> list[Outcome]:
        if "refused" in reply:
            raise UserError(reply["refused"])
        if "error" in reply:
            users = (reply["user"],) if "user" in reply else job.users
            raise RunFailed(f"{_named(replace(job, users=users))}: {reply['error']}\n{reply['traceback']}".rstrip())
        self.workers[reply["host"], reply["node"], reply["pid"]] += 1
        outcomes = [Outcome(**{**o, "curve": [(int(s), float(v)) for s, v in o["curve"]]}) for o in reply["outcomes"]]
        spent = self._spent[job.strategy, job.amount]
        spent[0] += sum(o.wall_s for o in outcomes)
        spent[1] += len(outcomes)
        return outcomes

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
    who = f"user {first}" if first == last else f"users {first} to {last}"
    return f"{who}, strategy {job.strategy}, {job.amount:.0%} of the texts"
