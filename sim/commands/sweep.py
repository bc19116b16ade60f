"""`headstart sweep`: every run of a grid, and their table."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sim.commands.terminal import Quiet, console, errors, frame, say_path, split_arguments


def sweep(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONFIG] [KEY=A,B,C ...]", help="a TOML file, perhaps with [sweep]; keys and their values"
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run every combination of values, each in a folder named by its config's hash, and write runs.csv.

    With replicates=5 (here or in CONFIG) each is five runs with seeds of their own, whose users are taken together.

    A comma separates values; lists go in brackets, and a semicolon separates values that contain commas. What is
    finished is skipped and what was interrupted goes on, so the same command again ends an interrupted sweep. Without
    CONFIG it does the quickstart in both of its regimes. The last line printed is the sweep's folder.

    Examples:

        headstart sweep

        headstart sweep configs/sweeps/similarity.toml

        headstart sweep pool.size=14,28,56 seed=0,1,2 pool.texts=peers population.users=16 name=pools

        headstart sweep replicates=5 pool.texts=peers name=five

        headstart sweep replicates=5 pool.texts=48 name=five

        headstart sweep 'strategies=["scratch","xpert"];["scratch","oracle"]' name=pairs
    """
    from sim.display import shown
    from sim.experiment.grid import grid
    from sim.sweep import sweep as do

    path, rest = split_arguments(arguments or [])
    points = grid(path, rest)
    folder = points[0].folder.parent
    try:
        with shown(console, quiet) as watcher:
            failures = do(points, watcher)
    except KeyboardInterrupt:
        errors.print("headstart: interrupted; the same command again goes on with it")
        say_path(folder)
        sys.exit(130)  # as in `headstart run`
    if len(failures) < len(points) and not quiet:
        from sim.analysis.sweep.table import load_sweep, short_table
        from sim.analysis.sweep.verdict import verdict

        found = load_sweep(folder)
        console.print(frame(short_table(found)), highlight=False)
        for sentence in verdict(found):
            console.print(sentence, highlight=False, markup=False)
    for failure in failures:
        errors.print(f"headstart: a run failed: {failure}")
    say_path(folder)
    if failures:
        raise typer.Exit(1)
