"""`headstart paper`: XPerT's published figures beside those of records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import console, errors, frame, say_path
from sim.experiment.shipped import IS_CLONE, ROOT


def paper(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[RECORDS]", help="folder of runs and sweeps; default: the clone's results/reference"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="the page, Markdown; default: the clone's docs/paper.md, for its own records"
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="list the commands that make the records, and write nothing")
    ] = False,
) -> None:
    """Write a page with every published value of XPerT's evaluation beside ours: inside or not, and why not.

    The records are found by what their configs say, whatever the runs are called; runs that differ in seeds alone are
    taken together. What was not run is said so, with the command that does it. Other records than the clone's own need
    --output. A picture is drawn beside the page. The last line printed is the page.

    Examples:

        headstart paper

        headstart paper --plan

        headstart paper results --output my-paper.md
    """
    from pandas import DataFrame

    from sim.analysis.look.figures import save
    from sim.common.disk import write_whole
    from sim.common.errors import UserError
    from sim.paper.chart import chart
    from sim.paper.compare import OUTSIDE, compare, unexplained
    from sim.paper.page import PAGE, PICTURE, REFERENCE, command, counts, page, shown
    from sim.paper.page import plan as planned
    from sim.paper.records import Records
    from sim.published import paper as published

    reference = ROOT / REFERENCE
    if folder is None and not IS_CLONE:
        raise UserError(f"paper: there is no {REFERENCE} outside of a clone; name a folder of records, and --output.")
    records = Records(folder or reference)
    if plan:
        table = DataFrame(planned(published(), records), columns=["records", "command", "what is there"])
        console.print(frame(table), highlight=False)
        return
    if folder is not None and output is None and folder.resolve() != reference.resolve():
        raise UserError(f"--output: a file is expected, since {PAGE} is the page of {REFERENCE}.")
    path = output or ROOT / PAGE
    rows = compare(published(), records)
    root = shown(records.root, ROOT)
    picture = PICTURE if path.resolve() == ROOT / PAGE else path.with_suffix(".png").name
    save(chart(rows), path.parent / picture)
    write_whole(path, page(published(), records, rows, root, command(root, shown(path, ROOT)), picture))
    console.print(frame(counts(published(), rows)), highlight=False)
    if missing := len(unexplained(rows)):
        errors.print(f"headstart: {missing} values lie {OUTSIDE}, and sim/published/xpert.toml does not say why")
    say_path(path)
