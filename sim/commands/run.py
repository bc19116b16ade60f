"""`headstart run`: one experiment, from its config to its summary and plots."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import QUICKSTART, console, errors, say_path, split_arguments
from sim.common.disk import no_space
from sim.common.errors import RunFailed, UserError


def run(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG] [KEY=VALUE ...]", help="a TOML file, then overrides")
    ] = None,
    plots: Annotated[bool, typer.Option(help="draw the plots at the end")] = True,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="go on with this run's folder where it was interrupted")
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="record users whose simulation raises as failed, and go on")
    ] = False,
) -> None:
    """Run an experiment. Without CONFIG, the quickstart. The last line printed is the results folder.

    Examples:

        headstart run

        headstart run population.users=1000 strategies='["scratch","xpert"]'

        headstart run configs/xpert_data.toml corpus.path=/data/xpert

        headstart run --resume results/quickstart/20261123-210000-abcd
    """
    from sim.analysis.summary import SUMMARY_CSV
    from sim.cloud.check import prepare
    from sim.experiment.config import Config
    from sim.records.folder import discard_unbegun, is_finished, make_folder, new_run_id, reopen_folder

    path, overrides = split_arguments(arguments or [])
    overrides = [*overrides, *(["engine.keep_going=true"] if keep_going else [])]
    if resume is not None:
        named = Config.load(path, overrides).anchored(Path.cwd()) if path != QUICKSTART else None
        config, folder = reopen_folder(resume, named, overrides), resume
        if is_finished(folder) and (folder / SUMMARY_CSV).is_file():
            console.print("this run is finished: nothing to do", highlight=False)
            return say_path(folder)
    else:
        config = Config.load(path, overrides).anchored(Path.cwd())
    preparation = prepare(config)
    folder = resume or make_folder(config, new_run_id(config))
    from sim.display import shown
    from sim.engine import start

    try:
        if resume is None or not is_finished(folder):
            with shown(console) as watcher:
                start(preparation, folder, watcher)
        finish(folder, plots)
    except RunFailed as failure:
        _say_resume(f"the run failed: {failure}", folder)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say_resume("interrupted\n", folder)
        sys.exit(130)  # not as a typer.Exit, which would be said to be an interruption once more
    except UserError:
        if resume is None:  # another process may be about to begin in a folder that is not ours
            discard_unbegun(folder)
        raise
    except Exception as error:
        if not (full := no_space(error, folder)):
            raise
        _say_resume(full, folder)
        raise typer.Exit(1) from None


def _say_resume(what: str, folder: Path) -> None:
    """Say what ended the run and how to go on, on one line unless what happened has several."""
    between = "\nheadstart: " if "\n" in what else "; "
    errors.print(f"headstart: {what.rstrip()}{between}go on with: headstart run --resume {folder}")
    say_path(folder)


def finish(folder: Path, plots: bool) -> None:
    """Plots, summary and table of a run that is done, from its files alone. What has its summary has all."""
    from sim.analysis.run.demanded import write_demanded
    from sim.analysis.run.plots import draw_all
    from sim.analysis.run.verdict import nobody_chose
    from sim.analysis.summary import table, write_summary
    from sim.analysis.tables import load_run
    from sim.records.tables import FAILED

    done = load_run(folder)
    write_demanded(done)
    if plots:
        draw_all(done, folder / "plots")
    summary = write_summary(done)
    console.print(table(summary))
    if said := nobody_chose(done):
        console.print(said)
    if failed := len(done.users[done.users["fits"].str.startswith(FAILED)]):
        errors.print(f"headstart: {failed} of {len(done.users)} rows are of users who failed; see failures.csv")
    say_path(folder)
