"""How a run is started: Flower on Ray, or inline in this process, without either. Nothing else starts Flower."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from sim.common.noise import QUIET, set_quiet

set_quiet()  # before Flower and Ray are imported

from sim.cloud.cohorts import job_count, worker_count  # noqa: E402
from sim.cloud.collect import Watcher  # noqa: E402
from sim.cloud.pools.building import make_pool  # noqa: E402
from sim.cloud.preparation import Preparation  # noqa: E402
from sim.cloud.provider import Provider  # noqa: E402
from sim.cloud.run import serve_run  # noqa: E402
from sim.common.cache import cache_dir  # noqa: E402
from sim.common.disk import no_space  # noqa: E402
from sim.common.errors import RunFailed, UserError  # noqa: E402
from sim.experiment.config import Config  # noqa: E402
from sim.pool.pool import Pool  # noqa: E402
from sim.records.folder import is_finished  # noqa: E402
from sim.records.journal import progress  # noqa: E402
from sim.transport.nodes import InlineNodes, Nodes  # noqa: E402
from sim.worker.orders import answer  # noqa: E402
from sim.worker.trained import FOLDER  # noqa: E402

if TYPE_CHECKING:
    from flwr.app import Context
    from flwr.serverapp import Grid


def start(preparation: Preparation, folder: Path, watcher: Watcher, shared: Path | None = None) -> None:
    """Do a run on its config's backend. What was finished is kept, whatever happens.

    Args:
        shared: folder of what runs of a sweep share (`sim.worker.trained`); None: the run's own, until it is done.

    Raises RunFailed, also where a disk is full or a job is missing in the end; UserError; KeyboardInterrupt.
    """
    config, trained = preparation.config, shared or folder / FOLDER
    tasks = max(job_count(config), preparation.groups)
    try:
        trained.mkdir(exist_ok=True)
        _on_nodes(config, tasks, lambda nodes: serve_run(preparation, folder, watcher, nodes, trained))
    except UserError:
        raise
    except Exception as error:
        if full := no_space(error, folder, cache_dir()):
            raise RunFailed(full) from error
        raise
    if not is_finished(folder):
        raise RunFailed(f"it ended with {progress(folder)[1]} of {job_count(config)} jobs done")
    if trained != shared:
        shutil.rmtree(trained, ignore_errors=True)


def build_pool(preparation: Preparation, watcher: Watcher) -> tuple[Provider, Pool]:
    """Build what is missing of a config's pool on its backend; returns the pool and its provider. Raises RunFailed."""
    config, provider = preparation.config, Provider(preparation, watcher.building)
    ends = time.monotonic() + config.engine.deadline_s
    for remark in preparation.remarks:
        watcher.remark(remark)
    if provider.pool_plan.missing():
        _on_nodes(config, preparation.groups, lambda nodes: make_pool(provider, nodes, watcher.building, ends))
    return provider, provider.resident.open_pool(provider.pool_plan.assemble())


def _on_nodes(config: Config, tasks: int, serve: Callable[[Nodes], object]) -> None:
    """Call `serve` with the nodes of the config's backend, of which there are no more than tasks."""
    if config.engine.backend == "inline":
        serve(InlineNodes(answer))
    else:
        _on_flower(config, tasks, serve)


def _on_flower(config: Config, tasks: int, serve: Callable[[Nodes], object]) -> None:
    """Flower's simulation on Ray. Flower runs in a thread of its own, so that Ctrl-C interrupts what serves.

    `run_simulation` is deprecated in favour of `flwr run`, which however can pass neither a Ray address nor
    `max_restarts` (without which a dead worker fails every later message).
    """
    from flwr.serverapp import ServerApp
    from flwr.simulation import run_simulation

    from sim.client_app import app as client_app
    from sim.transport import actors
    from sim.transport.cluster import joined
    from sim.transport.grid import FlowerNodes

    for name in ("flwr", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # workers find the code where this process finds it, and what keeps them quiet
    variables = {name: os.environ[name] for name in QUIET} | {
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    }
    resources = {"num_cpus": 1, "num_gpus": 0.0, "max_restarts": -1, "max_task_retries": 0}
    grids: SimpleQueue[Grid | None] = SimpleQueue()
    served = threading.Event()
    ended = ""
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        grids.put(grid)
        served.wait()

    def fly(workers: int) -> None:
        nonlocal ended
        try:
            run_simulation(server, client_app, workers, backend_config={"client_resources": resources})
        except Exception as error:
            ended = f"Flower ended: {error}"
        ended = ended or "Flower ended"
        grids.put(None)

    here = worker_count(config, tasks, os.cpu_count() or 1)
    with joined(config.engine.address, here, variables) as cpus, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workers = worker_count(config, tasks, cpus)
        actors.install(workers)
        flower = threading.Thread(target=fly, args=(workers,), daemon=True)
        flower.start()
        try:
            if (grid := grids.get()) is None:
                raise RunFailed(ended)
            serve(FlowerNodes(grid, lambda: ended, actors.replace))
        finally:
            actors.end()  # nobody waits for what is still in work
            served.set()
            flower.join()
