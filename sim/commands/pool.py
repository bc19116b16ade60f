"""`headstart pool`: the shared pool of a config, built and listed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.commands.terminal import Quiet, console, say_path, split_arguments

if TYPE_CHECKING:
    from sim.cloud.provider import Provider
    from sim.pool.pool import Pool

pool = typer.Typer(help="The shared pool of personalised LLMs.", no_args_is_help=True)

Arguments = Annotated[list[str] | None, typer.Argument(metavar="[CONFIG] [KEY=VALUE ...]")]


@pool.command("build")
def build_pool(
    arguments: Arguments = None,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="also copy it there, offers included")] = None,
    quiet: Quiet = False,
) -> None:
    """Build (or find) a config's pool on all workers, and print its folder.

    With --to, a copy goes to DIR under the pool's name, with the offers of the config's strategies: all that a run with
    `pool.path` set to it, or with the same config, would otherwise have to make.

    Example:

        headstart pool build configs/quickstart.toml --to /data/pools
    """
    from sim.cloud.pools.building import hand_on

    provider, pool = _opened(arguments, quiet)
    say_path(pool.folder if to is None else hand_on(provider, pool, to))


@pool.command("list")
def list_pool(arguments: Arguments = None) -> None:
    """List the pLLMs of a config's pool, building it where it is missing."""
    from rich.table import Table

    columns = ("id", "style", "similarity", "texts", "steps", "trained", "validation_loss", "loss")
    shown = Table(*columns)
    for card in _opened(arguments)[1].cards.values():
        shown.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in (getattr(card, c) for c in columns)))
    console.print(shown)


def _opened(arguments: list[str] | None, quiet: bool = False) -> tuple[Provider, Pool]:
    """The pool of a config, which is built where it is missing, and its provider."""
    from sim.cloud.check import prepare
    from sim.display import shown
    from sim.engine import build_pool
    from sim.experiment.config import Config

    path, overrides = split_arguments(arguments or [])
    config = Config.load(path, overrides).anchored(Path.cwd())
    with shown(console, quiet) as watcher:
        return build_pool(prepare(config), watcher)
