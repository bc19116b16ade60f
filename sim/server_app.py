"""The Flower ServerApp: the cloud. `headstart run` and `flwr run .` both end up here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from sim.cloud.run import serve_run
from sim.display import Log
from sim.experiment.config import Config
from sim.experiment.reading import check_values
from sim.experiment.shipped import ROOT
from sim.run import begin, close
from sim.transport.grid import FlowerNodes

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """`flwr run .`: the experiment of the run config, as `headstart run` would do it."""
    begun, watcher = begin(config_of(context.run_config).anchored(ROOT)), Log()
    tracking = begun.do(watcher, lambda ready, folder, told: serve_run(ready, folder, told, FlowerNodes(grid)))
    close(begun.folder, tracking=tracking)
    watcher.done(begun.folder)


def config_of(run_config: Mapping[str, Any]) -> Config:
    """A Config from Flower's flat run config: `config` names a TOML file, every other key overrides it.

    pyproject.toml lists every key with an empty value, which leaves the key as it is (Flower lets a run override only
    keys that are listed). Relative paths start at the project's folder: where Flower runs this is not for us to say.
    """
    given = {key: value for key, value in run_config.items() if value != ""}
    path = given.pop("config", None)
    for key, value in given.items():
        check_values(value, key)
    return Config.changed(ROOT / str(path) if path else None, given.items())
