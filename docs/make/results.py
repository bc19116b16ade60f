"""Tables of README.md and docs/ that are made from committed results: `python -m docs.make` fills them in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sim.analysis.rules import ANY, RESTART
from sim.analysis.sweep.mixed import beside_mixed
from sim.analysis.sweep.published import ACCURACY_BY_SIMILARITY, TIME_SAVED_BY_SIMILARITY
from sim.analysis.sweep.table import load_sweep
from sim.analysis.tables import records

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
FILLED = (README, ROOT / "docs" / "sweeps.md", ROOT / "docs" / "xpert_data.md")
"""Pages that have such tables."""
REFERENCE = ROOT / "results" / "reference"
BLOCK = re.compile(r"(<!-- (\w+) of results/reference/([\w/-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
"""Where a table belongs: which of `TABLES`, and of which folder."""


class Of(NamedTuple):
    """Where a cell comes from: a row of summary.csv, a factor to the heading's unit, and how many digits are shown."""

    metric: str
    factor: float = 100
    digits: int = 0
    strategy: str = ""
    rule: str = RESTART


MAIN = {
    "right pLLM, %": Of("selection_accuracy"),
    "reach the target, %": Of("reached"),
    "their steps": Of("steps_to_target", 1, 1),
    "compute saved, %": Of("compute_saved_total"),
    "breaks even at": Of("compute_break_even", 1),
    "time saved, %": Of("time_saved_total"),
    "breaks even at ": Of("time_break_even", 1),
    "steps saved, choosing apart, %": Of("steps_saved"),
    "MB down": Of("down_mb", 1),
}
DATA = MAIN | {"data saved, %": Of("data_saved"), "start loss": Of("start_loss", 1, 2)}
SIMILARITY = {
    "right pLLM, %": Of("selection_accuracy", strategy="xpert"),
    "published": ACCURACY_BY_SIMILARITY,
    "`xpert`: reach the target, %": Of("reached", strategy="xpert"),
    "compute saved, %": Of("compute_saved_total", strategy="xpert"),
    "time saved, %": Of("time_saved_total", strategy="xpert"),
    "`oracle`: fine-tuning time saved, %": Of("time_saved", strategy="oracle"),
    "the same, as trained, %": Of("time_saved", strategy="oracle", rule="as trained"),
    "published, %": TIME_SAVED_BY_SIMILARITY,
}
POOLS = {
    "`oracle`: reach the target, %": Of("reached", strategy="oracle"),
    "steps": Of("steps", 1, 1, "oracle"),
    "`xpert`: right pLLM, %": Of("selection_accuracy", strategy="xpert"),
    "reach the target, %": Of("reached", strategy="xpert"),
    "steps ": Of("steps", 1, 1, "xpert"),
    "compute saved, %": Of("compute_saved_total", strategy="xpert"),
}


def table(columns: Mapping[str, Of], folder: Path) -> str:
    """Metrics of a run's summary.csv by strategy: means over users, 95 % intervals in brackets."""
    summary = read_summary(folder)
    lines = []
    for strategy in summary.index.get_level_values(0).unique():
        cells = [_cell(summary, of._replace(strategy=strategy)) for of in columns.values()]
        billed = summary["users"].get((strategy, "selection_s", ANY), "")
        lines.append([f"`{strategy}`", *cells, f"{billed}"])
    return markdown(["strategy", *columns, "users billed"], lines)


def by_key(name: str, columns: Mapping[str, Of | Mapping[float, float]], folder: Path) -> str:
    """Metrics of a sweep's runs by the one key that is swept, and published values by the same."""
    sweep = load_sweep(folder)
    lines = []
    for run in records(sweep.runs):
        summary, value = read_summary(folder / run["folder"]), run[sweep.keys[0]]
        cells = [_cell(summary, of) if isinstance(of, Of) else f"{of[value]:g}" for of in columns.values()]
        lines.append([f"{value:g}" if isinstance(value, int) or value >= 1 else f"{100 * value:g} %", *cells])
    return markdown([name, *columns], lines)


def mixed(folder: Path) -> str:
    """Steps by number of styles a user, and how many fewer a merge needs, user by user."""
    found = beside_mixed(load_sweep(folder))
    names = ("scratch", "xpert", "xpert_merge")
    lines = []
    for styles, rows in found.groupby("styles"):
        by = {row["strategy"]: row for row in records(rows)}
        steps = [_bounds(*(by[s][f"steps{end}"] for end in ("_low", "", "_high")), 1) for s in names]
        lines.append([f"{styles}", *steps, _bounds(*(by["xpert"][f"more{end}"] for end in ("_low", "", "_high")), 1)])
    return markdown(["styles a user", *(f"`{s}`" for s in names), "more with `xpert` than with `xpert_merge`"], lines)


TABLES: dict[str, Callable[[Path], str]] = {
    "table": lambda folder: table(MAIN, folder),
    "data": lambda folder: table(DATA, folder),
    "similarity": lambda folder: by_key("similarity", SIMILARITY, folder),
    "pools": lambda folder: by_key("pool", POOLS, folder),
    "mixed": mixed,
}


def read_summary(folder: Path) -> pd.DataFrame:
    """A run's summary.csv by strategy, metric and rule."""
    return pd.read_csv(folder / "summary.csv").set_index(["strategy", "metric", "rule"])


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(h.strip() for h in headings)} |", f"|{'---|' * len(headings)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _cell(summary: pd.DataFrame, of: Of) -> str:
    for rule in (of.rule, ANY):
        if (key := (of.strategy, of.metric, rule)) in summary.index:
            row: Any = summary.loc[key]
            return _bounds(*(float(row[part]) * of.factor for part in ("low", "mean", "high")), of.digits)
    return ""


def _bounds(low: float, mean: float, high: float, digits: int) -> str:
    """A mean, and its interval in brackets where there is one; 'never' for what is infinite."""
    if math.isinf(mean):
        return "never"
    ends = ["never" if math.isinf(end) else _number(end, digits) for end in (low, high)]
    alone = math.isnan(low) or ends[0] == ends[1]
    return _number(mean, digits) + ("" if alone else f" ({' to '.join(ends)})")


def _number(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # no minus before a zero


def filled(page: str) -> str:
    """A page with the tables between its marks made anew."""
    return BLOCK.sub(lambda m: m[1] + "\n" + TABLES[m[2]](REFERENCE / m[3]) + "\n" + m[4], page)
