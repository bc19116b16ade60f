"""The Flower ServerApp: the cloud. `headstart run` and `flwr run .` both end up here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from sim.config import Config, parse_override, set_key
from sim.display import Log
from sim.nodes import FlowerNodes
from sim.run import Run, check, make_folder, new_run_id

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """`flwr run .`: the experiment named by the run config, as `headstart run` would do it."""
    config = config_of(context.run_config)
    check(config)
    folder = make_folder(config, new_run_id(config))
    watcher = Log()
    Run(config, folder, watcher).serve(FlowerNodes(grid))
    watcher.done(folder)


def config_of(run_config: Mapping[str, Any]) -> Config:
    """A Config from Flower's flat run config: `config` names a TOML file, every other key overrides it.

    Keys are dotted, as in `--run-config "population.users=100"`; an empty string leaves a key as it is.
    """
    tree: dict[str, Any] = {}
    path = str(run_config.get("config", ""))
    if path:
        import tomllib

        tree = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        tree.pop("sweep", None)
    for key, value in run_config.items():
        if key not in ("config", "overrides") and value != "":
            set_key(tree, key, value)
    for override in str(run_config.get("overrides", "")).split():
        set_key(tree, *parse_override(override))
    return Config.of(tree)
