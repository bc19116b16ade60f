"""The command line of the benchmark: `headstart bench`, which is `python -m tests.benchmarks`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sim.cli import status
from sim.commands.terminal import console, errors, frame, say_path
from sim.common.errors import UserError
from sim.common.signals import sigterm_interrupts

if TYPE_CHECKING:
    from tests.benchmarks.suite import Measurement

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")


@app.command()
def main(
    quick: Annotated[bool, typer.Option("--quick", help="two minutes: few users, the pocket LLM alone")] = False,
    output: Annotated[Path, typer.Option(metavar="DIR", help="where tables and picture go")] = Path("results/bench"),
    resume: Annotated[bool, typer.Option("--resume", help="go on after what DIR has already")] = False,
) -> None:
    """Measure Headstart beside the FlowerTune pattern and a PEFT loop on equal work, lanes, and cost-only runs.

    Wants a machine that does nothing else. The full benchmark takes half an hour.

    Examples:

        headstart bench --quick

        headstart bench --output results/reference/bench

        headstart bench --output results/reference/bench --resume
    """
    from tests.benchmarks.bench import BenchFailed, bench
    from tests.benchmarks.page import draw, load
    from tests.benchmarks.suite import FULL, QUICK

    try:
        output.mkdir(parents=True, exist_ok=True)
        (output / ".probe").touch()
        (output / ".probe").unlink()
    except OSError as error:
        raise UserError(f"--output: cannot write {str(output)!r}: {error.strerror}.") from None
    columns = (TextColumn("{task.description:<40}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("")

        def progress(measurement: Measurement, done: int, of: int) -> None:
            what = " ".join(map(str, (measurement.kind, *measurement.key)))
            bar.update(task, description=what, completed=done, total=of)
            if not console.is_terminal:
                print(f"[headstart bench] {done + 1} of {of}: {what}", flush=True)

        try:
            tables = bench(QUICK if quick else FULL, output, progress, resume)
        except BenchFailed as failure:
            errors.print(f"headstart: bench: {failure}")
            raise typer.Exit(1) from None
    for table in tables.values():
        console.print(frame(table), highlight=False)
    draw(output, *load(output))
    say_path(output)


if __name__ == "__main__":
    with sigterm_interrupts():
        sys.exit(status(app, "headstart bench"))
