"""The command line: `headstart COMMAND`. Puts the commands together and turns errors into exit statuses."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from sim.commands.bench import bench
from sim.commands.checks.corpus import corpus
from sim.commands.checks.plan import plan
from sim.commands.checks.strategy import strategy
from sim.commands.devices import devices
from sim.commands.llm import llm, pocket
from sim.commands.paper import paper
from sim.commands.pool import pool
from sim.commands.results.compare import compare
from sim.commands.results.explain import explain
from sim.commands.results.listing import configs, list_results, strategies
from sim.commands.results.report import report
from sim.commands.run import run
from sim.commands.sweep import sweep
from sim.commands.terminal import errors
from sim.commands.tune import tune
from sim.common.cache import cache_dir
from sim.common.disk import no_space
from sim.common.errors import RunFailed, UserError
from sim.common.noise import hush
from sim.common.signals import sigterm_interrupts

LONGEST = 2000
"""Letters of a message that are printed; a path may have 4,096."""
INTERRUPTED = 130
"""The status that typer gives a KeyboardInterrupt."""

app = typer.Typer(
    help="Simulate phone users who personalise an LLM from a shared pool, and measure what it costs them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _say_version(asked: bool) -> None:
    if asked:
        print(f"headstart {metadata.version('headstart')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="say it")] = False,
) -> None:
    """Options of all commands."""


app.command()(run)
app.command()(plan)
app.command("list")(list_results)
for command in (explain, report, compare, sweep, tune, paper, strategies, configs):
    app.command()(command)
# also `bench --help` is answered by the benchmark itself
app.command(add_help_option=False, context_settings={"ignore_unknown_options": True})(bench)
app.add_typer(pocket, name="pocket")
app.add_typer(llm, name="llm")
app.add_typer(pool, name="pool")
app.add_typer(devices, name="devices")
app.add_typer(strategy, name="strategy")
app.add_typer(corpus, name="corpus")


def main() -> None:
    """Entry point of `headstart`."""
    sys.path.append(str(Path.cwd()))  # where a strategy or corpus of one's own may lie, as with `python -m`
    hush()
    with sigterm_interrupts():
        code = status(app)
    sys.exit(code)


def _on_one_line(text: str) -> str:
    """A message as it is, but for what would end its line or steer a terminal: names come from files of others."""
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def status(commands: typer.Typer, name: str | None = None) -> int:
    """Run the command that `sys.argv` asks for and return its exit status; an error that can be mended is one line.

    0: done; 1: the run failed, or the disk is full; 2: the user is to mend what the line names; 130: Ctrl-C or SIGTERM.

    Args:
        commands: the app.
        name: what its usage lines begin with; default: the program's name.
    """
    try:
        code = commands(standalone_mode=False, prog_name=name) or 0  # the status of a typer.Exit comes as a value
        if code == INTERRUPTED:
            errors.print("headstart: interrupted")
        return code
    except UserError as error:
        errors.print(f"headstart: {_on_one_line(str(error))}")
        return 2
    except RunFailed as failure:
        errors.print(f"headstart: {failure}")
        return 1
    except Exception as error:
        if full := no_space(error, Path.cwd(), cache_dir()):
            errors.print(f"headstart: {full}; make room, then give the command again")
            return 1
        # click's own usage errors come here too, since standalone mode is off
        show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
        if show is None or code is None:
            raise
        show()
        return int(code)


if __name__ == "__main__":
    main()
