"""The command line: `headstart run`, `explain`, `report`, `pocket`, `pool`; other groups are in `sim/commands/`."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.commands.bench import bench
from sim.commands.devices import devices
from sim.commands.sweep import sweep
from sim.commands.terminal import QUICKSTART, console, errors, say_path, split_arguments
from sim.common.disk import no_space, write_whole
from sim.common.errors import RunFailed, UserError

app = typer.Typer(
    help="Simulate phone users who personalise an LLM from a shared pool, and measure what it costs them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
Arguments = Annotated[list[str] | None, typer.Argument(metavar="[CONFIG] [KEY=VALUE ...]")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value, e.g. population.users=1000")]


def _say_version(asked: bool) -> None:
    if asked:
        print(f"headstart {metadata.version('headstart')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="say it")] = False,
) -> None:
    """Options of all commands."""


def main() -> None:
    """Entry point: a UserError is one line and exit status 2."""
    try:
        sys.exit(app(standalone_mode=False))  # the status of a typer.Exit comes back as a value, else None
    except UserError as error:
        errors.print(f"headstart: {error}")
        sys.exit(2)
    except RunFailed as failure:
        errors.print(f"headstart: {failure}")
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("headstart: interrupted")
        sys.exit(130)
    except Exception as error:
        if full := no_space(error):
            errors.print(f"headstart: {full}")
            sys.exit(1)
        # click's own usage errors come here too, since standalone mode is off
        show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
        if show is None or code is None:
            raise
        show()
        sys.exit(code)


@app.command()
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
    from sim.cloud.check import check
    from sim.experiment.config import Config
    from sim.records.folder import discard_unbegun, is_finished, make_folder, new_run_id, reopen_folder

    path, overrides = split_arguments(arguments or [])
    overrides = [*overrides, *(["engine.keep_going=true"] if keep_going else [])]
    if resume is not None:
        named = Config.load(path, overrides).anchored(Path.cwd()) if path != QUICKSTART else None
        config, folder = reopen_folder(resume, named, overrides), resume
        if is_finished(folder) and (folder / "summary.csv").is_file():
            console.print("this run is finished: nothing to do", highlight=False)
            return say_path(folder)
    else:
        config = Config.load(path, overrides).anchored(Path.cwd())
    check(config)
    folder = resume or make_folder(config, new_run_id(config))
    from sim.display import shown
    from sim.engine import start

    try:
        if resume is None or not is_finished(folder):
            with shown(console) as watcher:
                start(config, folder, watcher)
    except RunFailed as failure:
        errors.print(f"headstart: the run failed: {failure}")
        _say_resume(folder)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("headstart: interrupted")
        _say_resume(folder)
        raise typer.Exit(130) from None
    except UserError:
        if resume is None:  # another process may be about to begin in a folder that is not ours
            discard_unbegun(folder)
        raise
    finish(folder, plots)


def _say_resume(folder: Path) -> None:
    errors.print(
        f"headstart: go on with: headstart run --resume {folder}", highlight=False, markup=False, soft_wrap=True
    )
    say_path(folder)


def finish(folder: Path, plots: bool) -> None:
    """Summary, plots and table of a run, from its files alone."""
    from sim.analysis.run.plots import draw_all
    from sim.analysis.run.verdict import nobody_chose
    from sim.analysis.summary import summarise, table
    from sim.analysis.tables import load_run
    from sim.records.tables import FAILED

    done = load_run(folder)
    summary = summarise(done)
    write_whole(folder / "summary.csv", summary.to_csv(index=False))
    if plots:
        draw_all(done, folder / "plots")
    console.print(table(summary))
    if said := nobody_chose(done):
        console.print(said)
    if failed := len(done.users[done.users["fits"].str.startswith(FAILED)]):
        errors.print(f"headstart: {failed} of {len(done.users)} rows are of users who failed; see failures.csv")
    say_path(folder)


@app.command()
def explain(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="a run's folder")],
    user: Annotated[int, typer.Argument(help="number of the user, from 0")],
    strategy: Annotated[str, typer.Option(help="whose explanation")] = "xpert",
) -> None:
    """What a user's style is made of, which pLLM was chosen and why, what it cost, what it saved.

    Example:

        headstart explain results/quickstart/20261123-210000-abcd 3
    """
    from sim.analysis.explain.explanation import explain as explained
    from sim.analysis.tables import load_run

    found = explained(load_run(folder), user, strategy)
    console.print(found.text(), highlight=False, markup=False)
    picture = folder / "plots" / f"explain-user-{user}-{strategy}.png"
    picture.parent.mkdir(exist_ok=True)
    found.save(picture)
    say_path(picture)


@app.command()
def report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder of a run or a sweep")]) -> None:
    """Write report.html, of a run or of a sweep: one file that opens without network.

    Example:

        headstart report results/quickstart/20261123-210000-abcd
    """
    from sim.analysis.run.report import report as of_run
    from sim.analysis.sweep.report import report as of_sweep
    from sim.analysis.sweep.table import is_sweep

    say_path((of_sweep if is_sweep(folder) else of_run)(folder))


# ---------------------------------------------------------------- pocket, pool

pocket = typer.Typer(help="The built-in small LLMs.", no_args_is_help=True)
pool = typer.Typer(help="The shared pool of personalised LLMs.", no_args_is_help=True)
app.add_typer(pocket, name="pocket")
app.add_typer(pool, name="pool")
app.add_typer(devices, name="devices")
app.command()(sweep)
app.command()(bench)


@pocket.command("build")
def pocket_build(
    folder: Annotated[Path, typer.Argument(help="where `base` and `summarizer` go")],
    overrides: Overrides = None,
    quick: Annotated[bool, typer.Option(help="the short recipe, as for corpora in files")] = False,
) -> None:
    """Build pocket LLM and summarizer for a corpus with the seeded recipe.

    Example:

        headstart pocket build /tmp/pocket corpus.source=xpert corpus.path=/data/xpert
    """
    from sim.corpus import open_corpus
    from sim.display import shown
    from sim.experiment.config import Config
    from sim.pocket.recipe import build, estimate_s
    from sim.pocket.settings import QUICK, Recipe

    corpus = open_corpus(Config.load(None, overrides or []).corpus)
    recipe = QUICK if quick else Recipe()
    console.print(f"about {estimate_s(corpus, recipe) / 60:.0f} minutes on this machine")
    with shown(console) as watcher:
        build(corpus, folder, recipe, watcher.building)
    say_path(folder)


@pool.command("build")
def pool_build(
    arguments: Arguments = None,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="also copy it there, offers included")] = None,
) -> None:
    """Build (or find) a config's pool on all workers, and print its folder.

    With --to, a copy goes to DIR under the pool's name, with the offers of the config's strategies: all that a run with
    `pool.path` set to it, or with the same config, would otherwise have to make.

    Example:

        headstart pool build configs/quickstart.toml --to /data/pools
    """
    from sim.cloud.building import hand_on

    home = _pool(arguments)
    say_path(home.pool.folder if to is None else hand_on(home, to))


@pool.command("list")
def pool_list(arguments: Arguments = None) -> None:
    """List the pLLMs of a config's pool, building it where it is missing."""
    from rich.table import Table

    columns = ("id", "style", "similarity", "texts", "steps", "loss")
    shown = Table(*columns)
    for card in _pool(arguments).pool.cards.values():
        shown.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in (getattr(card, c) for c in columns)))
    console.print(shown)


def _pool(arguments: list[str] | None) -> Any:
    """The `Resident` that has the pool of a config open."""
    from sim.display import shown
    from sim.engine import build_pool
    from sim.experiment.config import Config

    path, overrides = split_arguments(arguments or [])
    config = Config.load(path, overrides).anchored(Path.cwd())
    with shown(console) as watcher:
        return build_pool(config, watcher)


if __name__ == "__main__":
    main()
