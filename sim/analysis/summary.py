"""The summary of a run: every metric by strategy with its 95 % interval, to keep and to print."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from sim.analysis.bootstrap import mean_intervals, median_intervals
from sim.analysis.measures import METRICS, SAVINGS, per_user
from sim.analysis.tables import Run, records
from sim.common.disk import write_whole
from sim.records.tables import SUMMARY

SUMMARY_CSV = "summary.csv"
MEDIANS = (*SAVINGS, "steps_to_target", "total_min", "total_kj")
"""Metrics that have a second row, NAME_median: there `mean` is the median and low to high its interval."""

DASH = "\N{EN DASH}"

COLUMNS = (
    ("selection_accuracy", "right\npLLM, %", 100.0),
    ("steps_to_target", "steps to\ntarget", 1.0),
    ("compute_saved_total", "compute\nsaved, %", 100.0),
    ("compute_saved", "in tuning\nalone, %", 100.0),
    ("data_saved", "data\nsaved, %", 100.0),
    ("total_flops", "TFLOP\nin all", 1e-12),
    ("total_min", "minutes\nin all", 1.0),
    ("total_kj", "kJ\nin all", 1.0),
    ("down_mb", "MB\ndown", 1.0),
)
"""The main metrics: name, heading, factor from the metric's unit to the heading's."""


def summarise(run: Run) -> pd.DataFrame:
    """The columns of `sim.records.tables.SUMMARY`, with a row for every strategy and metric defined for some user.

    Units and meanings are those of `measures.METRICS`; for the rows called NAME_median see `MEDIANS`.
    """
    metrics = per_user(run)
    rows = []
    for suffix, intervals, names in (
        ("", mean_intervals, tuple(METRICS)),
        ("_median", median_intervals, MEDIANS),
    ):
        values = np.hstack([metrics[name].to_numpy() for name in names])
        found = intervals(values, run.seed)
        medians = found.value if suffix else median_of_columns(values)
        keys = [(strategy, name) for name in names for strategy in run.strategies]
        for i, (strategy, name) in enumerate(keys):
            if found.users[i]:
                unit = METRICS[name].unit
                numbers = (found.value[i], found.low[i], found.high[i], medians[i], found.users[i])
                rows.append((strategy, name + suffix, unit, *numbers))
    table = pd.DataFrame(rows, columns=[c.name for c in SUMMARY])
    order = table["strategy"].map({s: i for i, s in enumerate(run.strategies)})
    return table.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)


def write_summary(run: Run) -> pd.DataFrame:
    """Write summary.csv into the run's folder, and return what is in it."""
    summary = summarise(run)
    write_whole(run.folder / SUMMARY_CSV, summary.to_csv(index=False))
    return summary


def compare(run: Run, metric: str, best: str) -> pd.DataFrame:
    """How far each other strategy lies behind `best`, user by user: best minus other, in the metric's unit.

    Columns: strategy, mean, low, high (95 % interval), users (that both are defined for).
    """
    values = per_user(run)[metric]
    others = [s for s in run.strategies if s != best and values[s].notna().any()]
    found = mean_intervals(-values[others].sub(values[best], axis=0).to_numpy(), run.seed)
    table = {
        "strategy": others,
        "mean": found.value,
        "low": found.low,
        "high": found.high,
        "users": found.users,
    }
    return pd.DataFrame(table)


def by_key(summary: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of a summary by (strategy, metric)."""
    return {(row["strategy"], row["metric"]): row for row in records(summary)}


def median_of_columns(values: np.ndarray) -> np.ndarray:
    """Median of each column without its NaN; NaN for a column of nothing else."""
    some = ~np.isnan(values).all(0)
    out = np.full(values.shape[1], np.nan)
    out[some] = np.nanmedian(values[:, some], axis=0)
    return out


def number(value: float, digits: int = 3) -> str:
    """Write with so many significant digits, whole numbers in full: 0.0123, 12.3, 1234. NaN: a dash."""
    if not math.isfinite(value):
        return DASH if math.isnan(value) else str(value)
    if abs(value) < 1e-9:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(decimals, 0), 6)}f}"


def interval(low: float, high: float, digits: int = 2, between: str = " to ") -> str:
    """Write both ends; '±0' where no user differs, empty where there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return ""
    if math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12):
        return "±0"
    return f"{number(low, digits)}{between}{number(high, digits)}"


def table(summary: pd.DataFrame) -> Table:
    """The summary for a terminal of 120 columns: a row a strategy, below each mean its 95 % interval."""
    found = by_key(summary)
    shown = [column for column in COLUMNS if (summary["metric"] == column[0]).any()]
    out = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=_caption(summary), caption_justify="left")
    out.add_column("strategy", style="bold", no_wrap=True)
    for _, heading, _ in shown:
        out.add_column(heading, justify="right", no_wrap=True)
    for strategy in dict.fromkeys(summary["strategy"]):
        cells = []
        for metric, _, factor in shown:
            if (strategy, metric) not in found:
                cells.append(Text(DASH))
                continue
            row = found[strategy, metric]
            bounds = interval(row["low"] * factor, row["high"] * factor, between="..")
            cells.append(Text.assemble(number(row["mean"] * factor), "\n", (bounds, "dim")))
        out.add_row(strategy, *cells)
    return out


def _caption(summary: pd.DataFrame) -> str:
    users = int(summary["users"].max()) if len(summary) else 0
    parts = [
        f"Means over {users} users, 95 % intervals below them (±0: all users are alike).",
        "Savings are against scratch, user by user.",
    ]
    worst = {m: summary.loc[summary["metric"] == m, "mean"] for m in ("censored", "fits")}
    if len(worst["censored"]) and (late := worst["censored"].max()) > 0:
        parts.append(f"Up to {number(100 * late)} % of users missed the target and are counted at the budget.")
    if len(worst["fits"]) and (fit := worst["fits"].min()) < 1:
        parts.append(f"{number(100 * (1 - fit))} % of the phones have too little memory and are not billed.")
    return "\n".join(parts)
