"""Jobs get through where nodes die now and then, and a run that cannot end well says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from sim.common.errors import RunFailed, UserError
from sim.messages import Connection, Job, Outcome
from sim.transport.dispatch import Dispatcher
from sim.transport.nodes import Arrival, Order


def outcome(user: int) -> dict[str, Any]:
    wifi, curve = Connection("wifi", 80.0, 20.0, 10.0), [(0, 2.0), (5, 1.0)]
    return Outcome(user, "oneplus-12", wifi, ["a"], 4, {}, ["p"], curve, 5, 100, 10, 0.0).json()


class FakeNodes:
    """Nodes in memory, whose newest reply comes first.

    `lose[index]`: how often that job is lost first; `hang[index]`: how often nothing comes of it, until its worker is
    replaced; `silent`: never answers.
    """

    def __init__(
        self,
        count: int = 1,
        lose: dict[int, int] | None = None,
        hang: dict[int, int] | None = None,
        silent: bool = False,
    ) -> None:
        self.count, self.lose, self.hang, self.silent = count, dict(lose or {}), dict(hang or {}), silent
        self.replaced: list[str] = []
        self.orders: list[Order] = []
        self.nodes: list[int] = []
        self.failure: dict[str, str] = {}

    @property
    def sent(self) -> list[int]:
        return [order["job"]["index"] for order in self.orders]

    def wait(self, check: Callable[[], object]) -> list[int]:
        return list(range(self.count))

    def there(self) -> list[int]:
        return list(range(self.count))

    def send(self, node: int, order: Order, ttl_s: float) -> str:
        assert ttl_s > 0
        self.orders.append(order)
        self.nodes.append(node)
        return str(len(self.orders) - 1)

    def receive(self, tickets: Sequence[str]) -> Iterable[Arrival]:
        assert len({self.nodes[int(t)] for t in tickets}) == len(tickets), "a node has two jobs at once"
        if self.silent:
            return
        ticket = max(tickets, key=int)
        job = self.orders[int(ticket)]["job"]
        if self.hang.get(job["index"], 0):
            if ticket not in self.replaced:
                return
            self.hang[job["index"]] -= 1
            yield Arrival(ticket, {}, lost="ActorDiedError")
        elif self.lose.get(job["index"], 0):
            self.lose[job["index"]] -= 1
            yield Arrival(ticket, {}, lost="Traceback ...\nthe worker died")
        elif self.failure:
            yield Arrival(ticket, self.failure)
        else:
            outcomes = [outcome(u) for u in job["users"]]
            yield Arrival(ticket, {"outcomes": outcomes, "host": "h", "node": "n", "pid": self.nodes[int(ticket)]})

    def replace(self, ticket: str) -> None:
        assert ticket not in self.replaced
        self.replaced.append(ticket)


def job(index: int, *users: int) -> Job:
    return Job(index, "random", users or (index,), 0.5)


def dispatcher(
    nodes: FakeNodes, jobs: Sequence[Job], retries: int = 2, deadline_s: float = 60, job_s: float = 0
) -> Dispatcher[Job, list[Outcome]]:
    made: Dispatcher[Job, list[Outcome]] = Dispatcher(
        nodes, {"config": "c", "pool": "p"}, retries, time.monotonic() + deadline_s, job_s
    )
    made.add(jobs)
    return made


def test_every_job_comes_back_once_with_its_outcomes() -> None:
    nodes = FakeNodes(count=3)
    jobs = [job(i, 2 * i, 2 * i + 1) for i in range(7)]
    done = dict(dispatcher(nodes, jobs))
    assert sorted(done, key=lambda j: j.index) == jobs
    assert all([o.user_id for o in outcomes] == list(j.users) for j, outcomes in done.items())
    assert done[jobs[0]][0].curve == [(0, 2.0), (5, 1.0)]
    assert all((order["config"], order["pool"]) == ("c", "p") for order in nodes.orders)


def test_lowest_index_goes_first_whenever_it_is_added() -> None:
    nodes = FakeNodes()
    queue = dispatcher(nodes, [job(9), job(2), job(5)])
    for done, _ in queue:
        if done.index == 2:
            queue.add([job(7), job(3)])
    assert nodes.sent == [2, 3, 5, 7, 9]


def test_lost_job_is_sent_again_ahead_of_later_ones() -> None:
    nodes = FakeNodes(lose={1: 2})
    queue = dispatcher(nodes, [job(0), job(1), job(2)])
    assert [done.index for done, _ in queue] == [0, 1, 2]
    assert nodes.sent == [0, 1, 1, 1, 2]
    assert queue.resent == 2


def test_job_lost_more_often_than_retries_fails_the_run_and_names_the_users() -> None:
    nodes = FakeNodes(lose={1: 3})
    queue = dispatcher(nodes, [job(0), job(1, 4, 5, 6, 7), job(2)])
    done = []
    with pytest.raises(RunFailed, match=r"users 4 to 7, strategy random, 50%.*lost 3 times.*the worker died"):
        done += [finished.index for finished, _ in queue]
    assert nodes.sent == [0, 1, 1, 1]


def test_no_retries_means_none() -> None:
    nodes = FakeNodes(lose={0: 1})
    with pytest.raises(RunFailed, match="lost 1 times"):
        list(dispatcher(nodes, [job(0)], retries=0))
    assert nodes.sent == [0]


def test_losses_are_counted_by_job() -> None:
    queue = dispatcher(FakeNodes(lose={0: 2, 1: 2, 2: 2}), [job(0), job(1), job(2)])
    assert len(list(queue)) == 3
    assert queue.resent == 6


def test_nodes_that_never_answer_fail_the_run_at_the_deadline() -> None:
    with pytest.raises(RunFailed, match="deadline_s"):
        list(dispatcher(FakeNodes(silent=True), [job(0)], deadline_s=0.05))


def test_a_job_that_hangs_is_sent_again_and_its_worker_replaced() -> None:
    nodes = FakeNodes(hang={1: 2})
    queue, began = dispatcher(nodes, [job(0), job(1), job(2)], job_s=0.05), time.monotonic()
    assert [done.index for done, _ in queue] == [0, 1, 2]
    assert nodes.sent == [0, 1, 1, 1, 2]
    assert (nodes.replaced, queue.resent) == (["1", "2"], 2)
    assert time.monotonic() - began > 0.05 + 2 * 0.05  # a new worker has to load everything first


def test_a_job_that_always_hangs_fails_the_run_and_names_the_deadline() -> None:
    queue = dispatcher(FakeNodes(hang={1: 9}), [job(1)], retries=1, job_s=0.05)
    with pytest.raises(RunFailed, match=r"user 1, .*lost 2 times.*no answer within 0.1 s \(engine.job_deadline_s\)"):
        list(queue)


def test_without_a_deadline_of_its_own_a_job_may_take_many_times_what_its_like_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And one whose like was never seen as long as the run."""
    monkeypatch.setattr("sim.transport.dispatch.PATIENCE_S", 0.0)
    nodes = FakeNodes(hang={1: 1})
    queue = dispatcher(nodes, [job(0), job(1)])
    results = iter(queue)
    next(results)
    queue._slowest[job(1).kind] = 0.01  # as if a user of such a job had taken 10 ms
    began = time.monotonic()
    next(results)
    assert time.monotonic() - began > 20 * 0.01
    assert nodes.replaced == ["1"]
    silent = FakeNodes(hang={0: 1})
    with pytest.raises(RunFailed, match=r"engine\.deadline_s"):
        list(dispatcher(silent, [job(0)], deadline_s=0.3))
    assert not silent.replaced


def test_error_in_a_strategy_fails_the_run_with_its_traceback_and_is_not_retried() -> None:
    nodes = FakeNodes()
    nodes.failure = {"error": "KeyError: 'x'", "traceback": "Traceback: line 12 in choose"}
    with pytest.raises(RunFailed) as caught:
        list(dispatcher(nodes, [job(3, 8, 9)]))
    for part in ("users 8 to 9", "KeyError: 'x'", "line 12 in choose"):
        assert part in str(caught.value)
    assert nodes.sent == [3]


def test_what_the_user_can_mend_is_one_line() -> None:
    nodes = FakeNodes()
    nodes.failure = {"refused": "pool: card.json is missing."}
    with pytest.raises(UserError, match=r"^pool: card.json is missing.$"):
        list(dispatcher(nodes, [job(3, 8, 9)]))


def test_workers_that_answered_are_known() -> None:
    queue = dispatcher(FakeNodes(count=2), [job(i) for i in range(4)])
    list(queue)
    assert set(queue.workers) == {("h", "n", 0), ("h", "n", 1)}
    assert sum(queue.workers.values()) == 4


def test_nothing_to_do_ends_at_once() -> None:
    assert list(dispatcher(FakeNodes(), [])) == []
