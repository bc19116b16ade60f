"""Cells of tables that come from committed summaries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sim.analysis.rules import ANY, RESTART
from sim.analysis.summary import SUMMARY_CSV
from sim.analysis.sweep.table import is_sweep, load_sweep

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference"
INDEX = ["strategy", "metric", "rule"]


class Of(NamedTuple):
    """Where a cell comes from: a row of summary.csv, a factor to the heading's unit, and how many digits are shown."""

    metric: str
    factor: float = 100
    digits: int = 0
    strategy: str = ""
    rule: str = RESTART


def read_summary(name: str) -> pd.DataFrame:
    """A summary.csv of results/reference by strategy, metric and rule.

    Args:
        name: the folder of a run; or of a sweep, whose summary.csv is over all replicates of each setting, with
            `where KEY=VALUE` behind it if there are several settings. Raises ValueError where that fits none or some.
    """
    folder, _, where = name.partition(" where ")
    path = REFERENCE / folder
    if not is_sweep(path):
        return pd.read_csv(path / SUMMARY_CSV).set_index(INDEX)
    key, _, value = where.partition("=")
    sweep = load_sweep(path)
    found = [s for s in sweep.settings if not where or str(s.values[key]) == value]
    if len(found) != 1:
        raise ValueError(f"{name}: {len(found)} settings of {folder} are meant, where it must be one")
    if not (path / SUMMARY_CSV).is_file():  # no replicates
        return pd.read_csv(found[0].folders[0] / SUMMARY_CSV).set_index(INDEX)
    rows = pd.read_csv(path / SUMMARY_CSV, dtype={key: str} if where else None)
    return (rows[rows[key] == value] if where else rows).set_index(INDEX)


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(h.strip() for h in headings)} |", f"|{'---|' * len(headings)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def bounds_of(summary: pd.DataFrame, of: Of) -> str:
    """A cell: the mean and interval of what it comes from; "" where there is none."""
    for rule in (of.rule, ANY):
        if (key := (of.strategy, of.metric, rule)) in summary.index:
            row: Any = summary.loc[key]
            return bounds(*(float(row[part]) * of.factor for part in ("low", "mean", "high")), of.digits)
    return ""


def bounds(low: float, mean: float, high: float, digits: int) -> str:
    """A mean, and its interval in brackets where there is one; 'never' for what is infinite."""
    if math.isinf(mean):
        return "never"
    ends = ["never" if math.isinf(end) else _number(end, digits) for end in (low, high)]
    alone = math.isnan(low) or ends[0] == ends[1]
    return _number(mean, digits) + ("" if alone else f" ({' to '.join(ends)})")


def _number(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # no minus before a zero
