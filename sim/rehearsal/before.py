"""Before a run: its strategies are rehearsed, and one that would surely fail is refused."""

from __future__ import annotations

import json

from sim.cloud.collect import Watcher
from sim.cloud.preparation import Preparation
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.rehearsal.rehearse import fault_in, sizes_of
from sim.rehearsal.world import Sizes, World
from sim.worker.failures import reason

SECONDS = 3.0
"""That each of a strategy's two sides may take in a world: what it does later is not rehearsed."""


class Rehearsal:
    """Rehearses the strategies of a run, or of several: what did not end one of them is not tried again."""

    def __init__(self) -> None:
        self._tried: set[str] = set()

    def of(self, preparation: Preparation, watcher: Watcher) -> None:
        """Rehearse all strategies of a run.

        Whatever else goes wrong is said, and the run goes on: with other LLMs it may not. So does a run that is to go
        on without users who fail.

        Raises: UserError where one would surely fail.
        """
        config = preparation.config
        sizes = sizes_of(preparation)
        todo = {name: key for name in config.strategies if (key := _decided_by(name, config, sizes)) not in self._tried}
        if not todo:
            return
        try:
            world = World(config)
        except Exception as error:  # nobody's strategy is to blame for what we cannot make
            return watcher.remark(f"strategies: not rehearsed ({reason(error)}).")
        with world:
            for name, key in todo.items():
                fault = fault_in(name, world, sizes, SECONDS)
                if fault is not None and fault.sure and not config.engine.keep_going:
                    raise UserError(f"{fault}.")
                if fault is not None:
                    watcher.remark(f"{fault}: so it was in a rehearsal, and may be in the run.")
                self._tried.add(key)


def _decided_by(name: str, config: Config, sizes: Sizes) -> str:
    """All that decides what comes of a rehearsal, and can differ between the runs of a sweep, but for sizes."""
    parts = {
        "name": name,
        "options": config.options,
        "training": config.training.model_dump(include={"adapter", "cost_only"}),
        "path": config.pool.path,
        "ids": sizes.small.pllms,
        "texts": sizes.small.texts,
    }
    return json.dumps(parts, sort_keys=True, default=str)
