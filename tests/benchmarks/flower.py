"""How contestants on Flower are started: the same simulation for both, one CPU and one thread a client."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

from flwr.app import Context
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

import sim.engine  # noqa: F401 - sets Flower's and Ray's environment before they are imported


def simulation(client: ClientApp, supernodes: int, serve: Callable[[Grid], Any]) -> Any:
    """What `serve` returns, called as the ServerApp of a simulation with as many clients at once as there are cores."""
    from flwr.simulation import run_simulation

    server, outcome = ServerApp(), []

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        try:
            while len(list(grid.get_node_ids())) < supernodes:
                time.sleep(0.1)
            outcome.append((serve(grid), None))
        except BaseException as error:  # Flower would log it and hide its type
            outcome.append((None, error))

    logging.getLogger("flwr").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_simulation(
            server,
            client,
            supernodes,
            backend_config={
                "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
                "init_args": {
                    "address": "local",
                    "num_cpus": os.cpu_count(),
                    "logging_level": "ERROR",
                    "log_to_driver": False,
                },
            },
        )
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
