"""`headstart explain`: one user of a run, in words and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import Format, console, say_path


def explain(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="a run's folder, or latest")],
    user: Annotated[int, typer.Argument(help="number of the user, from 0")],
    strategy: Annotated[str, typer.Option(help="whose explanation")] = "xpert",
    kind: Annotated[Format, typer.Option("--format", help="kind of the picture")] = "png",
) -> None:
    """What a user's style is made of, which pLLM was chosen and why, what it cost, what it saved.

    Examples:

        headstart explain results/quickstart/20261123-210000-abcd 3

        headstart explain latest 3 --strategy xpert_cards
    """
    from sim.analysis.explain.chart import chart
    from sim.analysis.explain.explanation import explain as explained
    from sim.analysis.explain.text import page
    from sim.analysis.look.figures import save
    from sim.analysis.tables import load_run
    from sim.common.names import file_name
    from sim.records.shelf import resolved

    folder = resolved(folder)
    found = explained(load_run(folder), user, strategy)
    console.print(page(found), highlight=False, markup=False)
    say_path(save(chart(found), folder / "plots" / f"explain-user-{user}-{file_name(strategy)}.{kind}"))
