"""`headstart plan`: what a run will do and how long it takes, before it is begun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.commands.terminal import console, frame, split_arguments

if TYPE_CHECKING:
    from sim.experiment.config import Config

WAVES = {"give_at_most": "give\nat most", "pllms_at_most": "pLLMs\nat most"}
MOST_WAVES = 12
"""Waves that the terminal lists."""
HEADINGS = {"steps_at_most": "steps\nat most", "steps": "steps\nexpected", "minutes": "minutes\nof a worker"}


def plan(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG] [KEY=VALUE ...]", help="a TOML file, then overrides")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="do one cohort first, where no run on this machine tells the pace")
    ] = False,
) -> None:
    """Say what a run will do: jobs, waves, what is cached, minutes, memory, disk, phones that the LLM does not fit on.

    Minutes are taken from finished runs in OUTPUT and in the clone's results/reference that were done on such a machine
    by this version, with the same LLMs, texts, training, pool and cohort; which they were is said. Without one,
    --calibrate does one cohort in this process, and builds what is missing, which the run then finds.
    Strategies are rehearsed as before a run, and one that would surely fail is refused. Nothing is written into OUTPUT.
    `headstart run --dry-run` is the same.

    Examples:

        headstart plan

        headstart plan configs/population_10k.toml --calibrate

        headstart plan population.users=1000 strategies='["scratch","xpert"]'
    """
    from sim.experiment.config import Config

    path, overrides = split_arguments(arguments or [])
    show(Config.load(path, overrides).anchored(Path.cwd()), calibrate)


def show(config: Config, calibrate: bool = False) -> None:
    """Plan a run and print it."""
    from sim.plan.work import plan as planned

    found = planned(config, calibrate)
    table = found.table.dropna(axis="columns", how="all").rename(columns=HEADINGS)
    formats = {HEADINGS["steps"]: ",.0f", HEADINGS["minutes"]: ".1f"}
    console.print(frame(table, formats), highlight=False)
    if len(found.waves):
        console.print(frame(found.waves[:MOST_WAVES].rename(columns=WAVES)), highlight=False)
    if (more := len(found.waves) - MOST_WAVES) > 0:
        console.print(f"and {more:,} more waves", highlight=False)
    for sentence in found.sentences():
        console.print(sentence, highlight=False, markup=False)
