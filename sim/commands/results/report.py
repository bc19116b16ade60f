"""`headstart report`: report.html of a run or of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import say_path


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder of a run or a sweep, or latest")],
) -> None:
    """Write report.html, of a run or of a sweep: one file that opens without network.

    Examples:

        headstart report results/quickstart/20261123-210000-abcd

        headstart report latest
    """
    from sim.analysis.run.report import report as run_report
    from sim.analysis.sweep.report import report as sweep_report
    from sim.analysis.sweep.table import is_sweep
    from sim.records.shelf import resolved

    folder = resolved(folder, sweeps=True)
    say_path(sweep_report(folder) if is_sweep(folder) else run_report(folder))
