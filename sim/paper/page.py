"""The page of the comparison, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from sim.analysis.summary import interval, number
from sim.paper.compare import (
    INSIDE,
    NO_INTERVAL,
    NO_VALUE,
    NOT_IN_RECORDS,
    NOT_MEASURED,
    NOT_RUN,
    OUTSIDE,
    Row,
)
from sim.paper.records import Records
from sim.published import Paper, Section
from sim.records.manifest import made_by, version_of

STATES = (INSIDE, OUTSIDE, NO_INTERVAL, NOT_RUN, NOT_IN_RECORDS, NOT_MEASURED)
"""What can be said of a published value, in the order in which they are counted."""
REFERENCE, PAGE, PICTURE = "results/reference", "docs/paper.md", "img/paper.png"
"""What `headstart paper` reads and writes where nothing else is said, from the clone's root (PICTURE: the page)."""
INTRODUCTION = """# XPerT's published figures beside Headstart's

Every value that our notes have of XPerT's evaluation ({source}), beside what Headstart's
records say. Made by `{made}` from the records in `{root}` and from `sim/published/xpert.toml`, which has the
published values, the records that each is compared with, and the reasons: edit there, not here.

**Inside** means that the 95 % interval of ours and the published value overlap. A value that is stated is good to half
its last digit; one that was read off a chart ("about") to what our notes say of the reading. Ours is the mean over all
users of all replicates. Its interval covers the draw of users, styles and seeds ([records.md](records.md)), not the
error of the cost model ([devices.md](devices.md)). The paper gives no intervals, and our notes have no numbers of its
tables and figures. Its LLMs are some 400 to 1,500 times as large as ours and learn from other texts, so what is
inside is agreement, and no proof of either.
"""


def page(paper: Paper, records: Records, rows: Sequence[Row], root: str, made: str, picture: str) -> str:
    """The whole page.

    Args:
        rows: `sim.paper.compare.compare` of paper and records.
        root: how the folder of records is called.
        made: the command that makes the page.
        picture: where the chart lies, from the page.
    """
    table = counts(paper, rows)
    counted = _table(["", *table.columns[1:]], [[str(cell or "") for cell in row] for row in table.to_numpy()])
    drawn = f"![Published values hollow, ours filled with 95 % intervals]({picture})\n"
    parts = [INTRODUCTION.format(source=paper.source, root=root, made=made), counted, drawn]
    parts += [_section(paper, section, [row for row in rows if row.section is section]) for section in paper.section]
    there = [(name, f"`{made_by}`", found) for name, made_by, found in plan(paper, records)]
    parts.append("## The records\n\n" + _table(("records", "made by", "what is there"), there))
    return "\n".join(parts)


def counts(paper: Paper, rows: Sequence[Row]) -> pd.DataFrame:
    """How many comparisons have come out how: a row a section, a column for each of `STATES`; the last row is all."""
    lines: list[list[str | int]] = []
    for section in [*paper.section, None]:
        count = Counter(row.state for row in rows if section is None or row.section is section)
        lines.append([section.title if section else "all", *(count[state] for state in STATES)])
    return pd.DataFrame(lines, columns=["published", *STATES])


def plan(paper: Paper, records: Records) -> list[tuple[str, str, str]]:
    """For each folder of records: its name, the command that makes it, and what is there."""
    return [(name, command, _there(records, name)) for name, command in paper.commands.items()]


def command(root: str, path: str) -> str:
    """What makes a page of a folder of records; without words that are the default."""
    records = "" if root == REFERENCE else f" {root}"
    return f"headstart paper{records}" + ("" if path == PAGE else f" --output {path}")


def _there(records: Records, name: str) -> str:
    runs = records.runs(name)
    if not runs:
        return NOT_RUN
    users = {run.config.population.users for run in runs}
    seeds = {(run.config.seed, run.config.pool.seed) for run in runs}
    said = f"{len(runs)} {'run' if len(runs) == 1 else 'runs'} of {' or '.join(map(str, sorted(users)))} users"
    said += f", {len(seeds)} pairs of seeds" if len(seeds) > 1 else ""
    others = sorted({made_by(run.folder) for run in runs} - {version_of("headstart"), ""})
    return said + (f"; of version {' and '.join(others)}, with another corpus and other training" if others else "")


def _section(paper: Paper, section: Section, rows: Sequence[Row]) -> str:
    by = [section.by] if section.by else []
    lines = []
    for row in rows:
        point = [_point(row.point)] if section.by else []
        lines.append([_quantity(row), *point, _published(row), _ours(row), *_verdict(paper, row)])
    heads = ("quantity", *by, "published", "ours", "", "why not")
    note = f"\n{section.note.strip()}\n" if section.note else ""
    return f"## {section.title}\n\nPublished in {section.about}.\n{note}\n{_table(heads, lines)}"


def _quantity(row: Row) -> str:
    """What is compared: the published quantity, and which of ours."""
    series, ours = row.series, row.ours
    text = series.quantity + (" saved" if series.saved_of and not series.quantity.endswith("saved") else "")
    text += f", {series.compared_in}"
    if ours is None:
        return text
    kinds = [other for other in series.ours if other is not ours]
    if ours.levels:
        return f"{text}: {ours.levels}"
    if any(other.strategy != ours.strategy or other.rule != ours.rule for other in kinds):
        return f"{text}: `{ours.strategy}`, {ours.rule}"
    return text


def _point(point: str) -> str:
    try:
        value = float(point)
    except ValueError:
        return point
    return f"{100 * value:g} %" if 0 < value < 1 else point


def _published(row: Row) -> str:
    if row.published is None:
        return NO_VALUE
    raw = f"{row.series.published[row.point]}"
    text = raw if row.series.is_stated(row.point) else f"about {raw}"
    return f"{number(row.published)} ({text} {row.series.unit})" if row.series.saved_of else text


def _ours(row: Row) -> str:
    if row.estimate is None:
        return ""
    mean, low, high = row.estimate.mean, row.estimate.low, row.estimate.high
    bounds = interval(low, high)
    return number(mean) + (f" ({bounds})" if bounds else "")


def _verdict(paper: Paper, row: Row) -> tuple[str, str]:
    """The last two cells: what came out, and why."""
    name = row.series.records
    if row.state == NOT_RUN:
        return NOT_RUN, f"`{paper.commands[name]}`"
    if row.state == NOT_IN_RECORDS:
        return NOT_IN_RECORDS, f"`{name}` does not have it"
    if row.state == NOT_MEASURED:
        return NOT_MEASURED, row.series.missing
    if row.state == OUTSIDE:
        return f"**{OUTSIDE}**", row.why
    return ("" if row.state == NO_VALUE else row.state), ""


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def shown(folder: Path, root: Path) -> str:
    """A folder as the page names it: from the clone's root where it lies below it."""
    folder = folder.resolve()
    return str(folder.relative_to(root)) if folder.is_relative_to(root) else str(folder)
