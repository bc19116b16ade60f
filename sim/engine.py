"""How a run is started: Flower on Ray, or inline in this process. The only file that knows how Flower is started."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from sim.client_app import answer  # noqa: E402
from sim.client_app import app as client_app  # noqa: E402
from sim.cloud.building import make_pool  # noqa: E402
from sim.cloud.cohorts import job_count  # noqa: E402
from sim.cloud.collect import Watcher  # noqa: E402
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
from sim.transport.nodes import FlowerNodes, InlineNodes, Nodes  # noqa: E402


def start(preparation: Preparation, folder: Path, watcher: Watcher, shared: Path | None = None) -> None:
    """Do a run on its config's backend. What was finished is kept, whatever happens.

    Args:
        shared: folder of what runs of a sweep share (`sim.worker.scratch`).

    Raises RunFailed, also where a disk is full or a job is missing in the end; UserError; KeyboardInterrupt.
    """
    config = preparation.config
    tasks = max(job_count(config), preparation.groups)
    try:
        _on_nodes(config, tasks, lambda nodes: serve_run(preparation, folder, watcher, nodes, shared))
    except UserError:
        raise
    except Exception as error:
        if full := no_space(error, folder, cache_dir()):
            raise RunFailed(full) from error
        raise
    if not is_finished(folder):
        raise RunFailed(f"it ended with {progress(folder)[1]} of {job_count(config)} jobs done")


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


def worker_count(config: Config, tasks: int, cores: int) -> int:
    """Worker processes: as many as asked for, or one a core, never more than there are tasks to share.

    Off the CPU one, since all would use the same device, each with a copy of the LLMs in its memory.
    """
    engine = config.engine
    auto = cores if engine.device == "cpu" else 1
    return max(1, min(tasks, auto if engine.workers == "auto" else engine.workers))


def _on_flower(config: Config, tasks: int, serve: Callable[[Nodes], object]) -> None:
    """Flower's simulation on Ray.

    `run_simulation` is deprecated in favour of `flwr run`, which however can pass neither a Ray address nor
    `max_restarts` (without which a dead worker fails every later message).
    """
    from flwr.simulation import run_simulation

    from sim.transport import actors

    stopped = False
    workers = _join_ray(config, tasks)
    actors.install(workers)
    failure: list[BaseException] = []
    nodes: list[FlowerNodes] = []
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        nodes.append(FlowerNodes(grid))
        try:
            if not stopped:
                serve(nodes[0])
        except BaseException as error:  # Flower would log it and hide its type
            failure.append(error)
            actors.end()  # nobody waits for what is still in work

    def stop(reason: str) -> None:
        nonlocal stopped
        stopped = True
        for some in nodes:
            some.stop(reason)
        actors.end()

    with _interrupted(stop) as interrupted, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            run_simulation(
                server,
                client_app,
                workers,
                backend_config={
                    "client_resources": {"num_cpus": 1, "num_gpus": 0.0, "max_restarts": -1, "max_task_retries": 0}
                },
            )
        except Exception as error:
            stop("Flower ended")  # or the cloud's thread would wait for replies, and the process for the thread
            failure.append(RunFailed(f"Flower ended: {error}"))
    if interrupted:
        raise KeyboardInterrupt
    if failure:
        raise failure[0]


def _join_ray(config: Config, tasks: int) -> int:
    """Start Ray, or join the cluster at `engine.address`; returns the number of workers for tasks. Raises UserError."""
    import ray

    for name in ("flwr", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    address, here = config.engine.address, worker_count(config, tasks, os.cpu_count() or 1)
    # workers find the code where this process finds it, and what keeps them quiet
    variables = {name: os.environ[name] for name in QUIET} | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    settings: dict[str, Any] = {"num_cpus": here, "include_dashboard": False} if address == "local" else {}
    try:
        _check_there(address)
        ray.init(address, runtime_env={"env_vars": variables}, logging_level="ERROR", log_to_driver=False, **settings)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise UserError(f"engine.address = {address!r}: {str(error).strip().splitlines()[0]}") from None
    return here if address == "local" else worker_count(config, tasks, int(ray.cluster_resources().get("CPU", 1)))


def _check_there(address: str) -> None:
    """Raise OSError where nobody listens at host:port, for which Ray would wait ten minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError:
        if host not in ("127.0.0.1", "localhost"):
            raise
        from ray.util import get_node_ip_address  # which Ray uses instead

        socket.create_connection((get_node_ip_address(), int(port)), timeout=10).close()


@contextmanager
def _interrupted(stop: Callable[[str], None]) -> Iterator[list[int]]:
    """Within, the first Ctrl-C (or SIGTERM) calls `stop` and is noted in the list; a second one acts as ever."""
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        signals.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)
        threading.Thread(target=stop, args=("interrupted",)).start()  # a handler must not wait for locks

    for number in before:
        signal.signal(number, note)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
