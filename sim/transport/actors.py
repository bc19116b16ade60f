"""Ray actors that come and go: what Flower's own pool does not do when a worker or a whole machine dies.

Flower puts a dead actor back among the idle ones, where it fails every later message at once, or, when no machine has
room to start it again, swallows one message for ever. Here an actor is idle again only once it answers, and one that
cannot be started again is given up. The only file that uses Flower's private classes (flwr 1.41 and 1.42).
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import ray
from flwr.server.superlink.fleet.vce import vce_api
from flwr.server.superlink.fleet.vce.backend import raybackend
from flwr.simulation.ray_transport.ray_actor import BasicActorPool, pool_size_from_resources

START_S = 120.0
"""An actor that is not up again after this long is given up."""


class ActorPool(BasicActorPool):
    """Flower's pool, with what matters when an actor is lost or hangs."""

    made: list[ActorPool] = []  # noqa: RUF012 - Flower makes the pool and keeps it to itself

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._change = threading.Condition()
        self._ended = False
        self._tickets: dict[Any, str] = {}
        self.made.append(self)

    def submit(self, actor_fn: Any, job: Any) -> Any:
        """As Flower's, but waits for an idle actor. Raises RuntimeError when none is left."""
        with self._change:
            self._change.wait_for(lambda: self.pool or not self.num_actors or self._ended)
            if self._ended or not self.pool:
                raise RuntimeError("no worker is left")
            future = super().submit(actor_fn, job)
            self._tickets[future] = job[1].metadata.message_id
            return future

    def add_actor_back_to_pool(self, future: Any) -> None:
        """Take an actor back, once it answers; Flower calls this after a result and after a failure."""
        with self._change:
            self._tickets.pop(future, None)
            actor = self._future_to_actor.pop(future, None)
        if actor is None:
            return
        if self._answers(actor):
            self.pool.append(actor)
        else:
            ray.kill(actor)
        with self._change:
            self._change.notify_all()

    def replace(self, ticket: str) -> None:
        """Kill the actor that works on a message; Ray starts it again, and the message is lost."""
        with self._change:
            for future, message in self._tickets.items():
                if message == ticket:
                    ray.kill(self._future_to_actor[future], no_restart=False)

    def end(self) -> None:
        """Kill every actor, in the middle of its work too."""
        with self._change:
            self._ended = True
            for actor in [*self.pool, *self._future_to_actor.values()]:
                ray.kill(actor)
            self._change.notify_all()

    def _answers(self, actor: Any) -> bool:
        """Wait for an actor that may be starting again; False, and one actor less, where it cannot."""
        ends, ready = time.monotonic() + START_S, actor.__ray_ready__.remote()
        while not self._ended and time.monotonic() < ends:
            done, _ = ray.wait([ready], timeout=1.0)
            try:
                if done:
                    ray.get(ready)
                    return True
            except ray.exceptions.ActorUnavailableError:
                time.sleep(0.5)
                ready = actor.__ray_ready__.remote()
            except ray.exceptions.RayError:
                break
            with self._change:
                if self._room() < self.num_actors:
                    self.num_actors -= 1
                    return False
        with self._change:
            self.num_actors -= 1
        return False

    def _room(self) -> int:
        """Actors that fit on the machines that are left."""
        try:
            return int(pool_size_from_resources(self.client_resources))
        except ValueError:
            return 0


def install(workers: int) -> None:
    """Make Flower use this pool, and a thread for each worker (its own limit is the driver's cores + 4, at most 32)."""
    ActorPool.made.clear()
    raybackend.BasicActorPool = ActorPool
    vce_api.ThreadPoolExecutor = partial(ThreadPoolExecutor, max_workers=workers)


def end() -> None:
    """Kill the workers of every pool that Flower has made."""
    for pool in ActorPool.made:
        pool.end()


def replace(ticket: str) -> None:
    """Replace the worker that works on a message, whichever pool it is in."""
    for pool in ActorPool.made:
        pool.replace(ticket)
