"""How a run is started: Flower on Ray, or inline in this process. The only file that knows how Flower is started."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Read by Flower and Ray when they are imported or start: no telemetry, no update check, one thread a worker.
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
}
for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)

from flwr.app import Context  # noqa: E402
from flwr.serverapp import Grid, ServerApp  # noqa: E402

from sim.building import make_pool  # noqa: E402
from sim.client_app import app as client_app  # noqa: E402
from sim.config import Config  # noqa: E402
from sim.corpus import open_corpus  # noqa: E402
from sim.nodes import FlowerNodes, InlineNodes, Nodes  # noqa: E402
from sim.plan import job_count  # noqa: E402
from sim.pllms import plan_pool  # noqa: E402
from sim.resident import Resident  # noqa: E402
from sim.run import Run, Watcher  # noqa: E402


def start(config: Config, folder: Path, watcher: Watcher, shared: Path | None = None) -> None:
    """Do a run on the config's backend. Raises RunFailed; what was finished is kept.

    Args:
        shared: folder of what runs of a sweep share (`sim.shared`).
    """
    run = Run(config, folder, watcher, shared)
    _on_nodes(config, max(job_count(config), _groups(config)), run.serve)


def build_pool(config: Config, watcher: Watcher) -> Resident:
    """Build what is missing of the config's pool on the config's backend; returns who has it open. Raises RunFailed."""
    home = Resident(config, watcher.building)
    if (plan := home.pool_plan).missing():
        _on_nodes(config, _groups(config), lambda nodes: make_pool(home, nodes, watcher.building))
    home.pool_folder = plan.assemble()
    return home


def _groups(config: Config) -> int:
    """Groups of pLLMs that the pool consists of, built or not."""
    return len(plan_pool(config, open_corpus(config.corpus), "").groups)


def _on_nodes(config: Config, tasks: int, serve: Callable[[Nodes], object]) -> None:
    """Call `serve` with the nodes of the config's backend, of which there are no more than tasks."""
    if config.engine.backend == "inline":
        serve(InlineNodes())
    else:
        _on_flower(config, worker_count(config, tasks), serve)


def worker_count(config: Config, tasks: int) -> int:
    """Worker processes: as many as asked for, or one a core, never more than there are tasks to share."""
    workers = config.engine.workers
    return max(1, min(tasks, (os.cpu_count() or 1) if workers == "auto" else workers))


def _on_flower(config: Config, workers: int, serve: Callable[[Nodes], object]) -> None:
    """Flower's simulation on Ray.

    `run_simulation` is deprecated in favour of `flwr run`, which however can pass neither a Ray address nor
    `max_restarts` (without which a dead worker fails every later message).
    """
    from flwr.simulation import run_simulation

    engine = config.engine
    failure: list[BaseException] = []
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        try:
            serve(FlowerNodes(grid))
        except BaseException as error:  # Flower would log it and hide its type
            failure.append(error)

    init: dict[str, Any] = {"address": engine.address, "logging_level": "ERROR", "log_to_driver": False}
    if engine.address == "local":
        init["num_cpus"] = workers
    logging.getLogger("flwr").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_simulation(
            server,
            client_app,
            workers,
            backend_config={
                "client_resources": {"num_cpus": 1, "num_gpus": 0.0, "max_restarts": -1, "max_task_retries": 0},
                "init_args": init,
            },
        )
    if failure:
        raise failure[0]
