"""`headstart run`: one experiment, from its config to its summary and plots."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.commands.checks.plan import show
from sim.commands.terminal import Quiet, console, errors, say_path, split_arguments
from sim.common.errors import RunFailed
from sim.experiment.shipped import QUICKSTART

if TYPE_CHECKING:
    from sim.tracking import Tracking


def run(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG] [KEY=VALUE ...]", help="a TOML file, then overrides")
    ] = None,
    plots: Annotated[bool, typer.Option(help="draw the plots at the end")] = True,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="go on with this run's folder (or latest) where it was interrupted"),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="record users whose simulation raises as failed, and go on")
    ] = False,
    quiet: Quiet = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what it would do, as `headstart plan`")] = False,
) -> None:
    """Run an experiment. Without CONFIG, the quickstart. The last line printed is the results folder.

    Examples:

        headstart run

        headstart run population.users=1000 strategies='["scratch","xpert"]'

        headstart run configs/xpert_data.toml corpus.path=/data/xpert

        headstart run --resume results/quickstart/20261123-210000-abcd

        headstart run --resume latest
    """
    from sim.display import shown
    from sim.experiment.config import Config
    from sim.records.shelf import resolved
    from sim.run import begin, has_all, reopen

    path, overrides = split_arguments(arguments or [])
    overrides = [*overrides, *(["engine.keep_going=true"] if keep_going else [])]
    if dry_run and resume is None:
        return show(Config.load(path, overrides).anchored(Path.cwd()))
    if resume is not None:
        resume = resolved(resume, begun=True)
        named = Config.load(path, overrides).anchored(Path.cwd()) if path != QUICKSTART else None
        begun = reopen(resume, named, overrides)
        if has_all(resume):
            if not quiet:
                console.print("this run is finished: nothing to do", highlight=False)
            return say_path(resume)
    else:
        begun = begin(Config.load(path, overrides).anchored(Path.cwd()))
    try:
        with shown(console, quiet) as watcher:
            tracking = begun.do(watcher)
        finish(begun.folder, plots, tracking, quiet)
    except RunFailed as failure:
        _say_resume(f"the run failed: {failure}", begun.folder)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say_resume("interrupted\n", begun.folder)
        sys.exit(130)  # not as a typer.Exit, which would be said to be an interruption once more


def _say_resume(what: str, folder: Path) -> None:
    """Say what ended the run and how to go on, on one line unless what happened has several."""
    between = "\nheadstart: " if "\n" in what else "; "
    errors.print(f"headstart: {what.rstrip()}{between}go on with: headstart run --resume {folder}")
    say_path(folder)


def finish(folder: Path, plots: bool, tracking: Tracking | None = None, quiet: bool = False) -> None:
    """Plots, summary and table of a run that is done, from its files alone; its trackers are told."""
    from sim.analysis.run.verdict import nobody_chose
    from sim.analysis.run.waves import sentences, waves
    from sim.analysis.summary import table
    from sim.records.tables import FAILED
    from sim.run import close

    done, summary = close(folder, plots, tracking)
    if not quiet:
        console.print(table(summary))
        if said := nobody_chose(done):
            console.print(said)
        if len(by_wave := waves(done)):
            console.print("Waves, by time saved, uploads included:", *sentences(by_wave), sep="\n", highlight=False)
        if len(done.attackers):
            count = done.attackers["user_id"].nunique()
            console.print(f"{count} more users attack, and are left out of all this.", highlight=False)
    if failed := int((done.users["fits"] == FAILED).sum()):
        errors.print(f"headstart: {failed} of {len(done.users)} rows are of users who failed; see failures.csv")
    say_path(folder)
