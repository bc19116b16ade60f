"""`headstart report`: report.html of a run or of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import Format, say_path


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder of a run or a sweep, or latest")],
    kind: Annotated[
        Format | None, typer.Option("--format", help="also write every static plot, into DIR/plots, as such files")
    ] = None,
) -> None:
    """Write report.html, of a run or of a sweep: one file that opens without network.

    Its charts can be filtered by strategy, tier and style, and saved as SVG; its tables as CSV. Static plots are for
    papers: they can be told apart in grey. The last line printed is the report.

    Examples:

        headstart report results/quickstart/20261123-210000-abcd

        headstart report latest

        headstart report latest --format pdf
    """
    from sim.analysis.run.plots import draw_all
    from sim.analysis.run.report import report as run_report
    from sim.analysis.sweep.figures import draw_all as draw_sweep
    from sim.analysis.sweep.report import report as sweep_report
    from sim.analysis.sweep.table import is_sweep, load_sweep
    from sim.analysis.tables import load_run
    from sim.records.shelf import resolved

    folder = resolved(folder, sweeps=True)
    swept = is_sweep(folder)
    if kind:
        plots = folder / "plots"
        for path in draw_sweep(load_sweep(folder), plots, kind) if swept else draw_all(load_run(folder), plots, kind):
            say_path(path)
    say_path(sweep_report(folder) if swept else run_report(folder))
