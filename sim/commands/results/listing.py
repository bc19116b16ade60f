"""`headstart list`, `headstart strategies`, `headstart configs`: what there is to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding

from sim.commands.terminal import console, frame

ROOM = 100
"""Columns of a terminal that a table of results needs; with fewer, each has some lines of its own."""


def list_results(
    output: Annotated[
        Path | None, typer.Argument(metavar="[OUTPUT]", help="folder of results, or of the runs of one name in it")
    ] = None,
) -> None:
    """List the runs and sweeps of a results folder, newest first. Without OUTPUT, that of the quickstart: results.

    Columns: folder in OUTPUT (NAME/ID), when the last job was recorded, users, strategies, whether all jobs are done
    ("records": a copy without the journal that would tell), and which strategy saves most compute against scratch,
    choosing included, with its 95 % interval; "scratch" where none does. The oracle, which is told the style, does not
    count. A sweep has one row: which strategy is best in most of its runs, and from what to what it saves in all.

    Commands that take a RUN also take "latest", the newest in results, and FOLDER/latest.

    Examples:

        headstart list

        headstart list results/quickstart

        headstart explain latest 3
    """
    from sim.experiment.config import Config
    from sim.listing import results

    found = results(folder := output or Path(Config().output))
    if found.empty:
        return console.print(f"no run in {folder} yet", highlight=False)
    if console.width >= ROOM:
        return console.print(frame(found), highlight=False)
    for folder, *rest in found.itertuples(index=False):
        console.print(folder, highlight=False)
        for name, cell in zip(found.columns[1:], rest, strict=True):
            if cell:
                console.print(Padding(f"{name}: {cell}", (0, 0, 0, 2)), highlight=False)


def strategies() -> None:
    """List the strategies that a config can name: those shipped, and those of other packages that register theirs.

    Example:

        headstart strategies
    """
    from sim.listing import strategies

    console.print(frame(strategies()), highlight=False)


def configs() -> None:
    """List the configs that come with Headstart, and the command that each is for.

    Example:

        headstart configs
    """
    from sim.listing import configs

    console.print(frame(configs()), highlight=False)
