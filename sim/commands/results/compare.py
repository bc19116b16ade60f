"""`headstart compare`: two runs beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.commands.terminal import console, frame


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="a run's folder, or latest")],
    b: Annotated[Path, typer.Argument(metavar="B", help="another, which differences are taken to")],
) -> None:
    """Say what differs between two runs: settings, and by strategy savings, accuracy and misses, B less A.

    Where both have the same users (same seed, corpus and texts), each user is compared with the same user, and the
    intervals are far narrower; where not, means are compared, and it is said why. Intervals are of 95 %, each for
    itself: of twenty that compare like with like, one leaves out 0 by chance.

    Examples:

        headstart compare results/quickstart/20261123-210000-abcd latest

        headstart compare results/reference/quickstart results/reference/quickstart_rich
    """
    from sim.analysis.rules import MEANING, RESTART
    from sim.analysis.run.compare import compare as compared
    from sim.analysis.run.compare import in_words, settings, unpaired_for
    from sim.analysis.summary import interval, number
    from sim.analysis.tables import load_run, records
    from sim.records.shelf import resolved

    one, other = (load_run(resolved(folder)) for folder in (a, b))
    for letter, run in (("A", one), ("B", other)):
        console.print(f"{letter}: {run.folder}, {len(run.user_ids)} users", highlight=False, soft_wrap=True)
    changed = settings(one, other)
    if changed.empty:
        console.print("No setting differs that records depend on.", highlight=False)
    else:
        console.print(frame(changed.map(lambda cell: "" if cell is None else str(cell))), highlight=False)
    if only := [s for s in dict.fromkeys([*one.strategies, *other.strategies]) if s not in one.strategies]:
        console.print(f"Only in B: {', '.join(only)}.", highlight=False)
    if only := [s for s in one.strategies if s not in other.strategies]:
        console.print(f"Only in A: {', '.join(only)}.", highlight=False)
    table = compared(one, other)
    if table.empty:
        return console.print("They have no strategy in common of which both know a saving.", highlight=False)
    why = unpaired_for(one, other)
    how = f"means, not the same users ({why})" if why else "the same users, one by one"
    console.print(f"Compared: {how}. In per cent, differences in percentage points.", highlight=False)
    rows, sure = [], 0
    for row in records(table):
        mean, low, high = (100 * row[part] for part in ("difference", "low", "high"))
        bounds = interval(low, high)
        sure += low > 0 or high < 0
        ends = f"{number(mean)} ({bounds})" if bounds else number(mean)
        rows.append(
            (row["strategy"], in_words(row["metric"]), *(number(100 * row[x]) for x in "AB"), ends, row["users"])
        )
    from pandas import DataFrame

    console.print(frame(DataFrame(rows, columns=["strategy", "", "A", "B", "B - A", "users"])), highlight=False)
    console.print(f"{sure} of {len(rows)} differences lie beyond their 95 % interval.", highlight=False)
    console.print(f"Savings include choosing (but for steps); rule {RESTART!r}: {MEANING}.", highlight=False)
