"""The provider: the cloud's LLMs and corpus, the pool that it will have, and what workers are sent of all that."""

from __future__ import annotations

from functools import cached_property

from sim.cloud.preparation import Preparation
from sim.pool.plan import PoolPlan
from sim.serving.resident import Progress, Resident
from sim.transport.store import Store, shipped


class Provider:
    """The cloud of one run, or of one pool that is built."""

    def __init__(self, preparation: Preparation, progress: Progress = lambda *_: None) -> None:
        self.preparation, self.config = preparation, preparation.config
        self.resident = Resident(preparation.config, preparation.corpus, progress)
        self.store = Store(preparation.config.engine.store)

    @cached_property
    def orders(self) -> dict[str, object]:
        """What every order carries: all that a worker makes a workplace like this of (`sim.worker.workplace`)."""
        resident = self.resident
        config = shipped(self.config, resident.lm.source, resident.source("summarizer"), self.store)
        return {"config": config.model_dump_json(), "store": self.store.url}

    @cached_property
    def pool_plan(self) -> PoolPlan:
        """The pool that the config asks for."""
        return self.preparation.pool_plan(self.resident.lm_digest)
