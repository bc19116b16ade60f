"""The summary of a run: every metric by strategy with its 95 % interval, to keep and to print."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from sim.analysis.everyone import OF_MEANS, Everyone
from sim.analysis.measures import COSTS, METRICS
from sim.analysis.rules import ANY, MEANING, RESTART, RULES
from sim.analysis.tables import Run, load_run, read_table, records, write_table
from sim.records.tables import SUMMARY

SUMMARY_CSV = "summary.csv"

DASH = "\N{EN DASH}"

COLUMNS = (
    ("selection_accuracy", "right\npLLM, %", 100.0),
    ("reached", "reach the\ntarget, %", 100.0),
    ("steps_to_target", "their\nsteps", 1.0),
    ("compute_saved_total", "compute\nsaved, %", 100.0),
    ("compute_break_even", "breaks\neven at", 1.0),
    ("time_saved_total", "time\nsaved, %", 100.0),
    ("time_break_even", "breaks\neven at", 1.0),
    ("steps_saved", "tuning\nalone, %", 100.0),
    ("data_saved", "data\nsaved, %", 100.0),
    ("total_min", "minutes\nin all", 1.0),
    ("down_mb", "MB\ndown", 1.0),
)
"""The main metrics: name, heading, factor from the metric's unit to the heading's."""

REPORT_ONLY = ("data_saved", "down_mb")
"""Those of them for which a terminal has no room."""
MISLEADING = 1.5
"""Design effect from which on it is said that intervals over users alone would be too narrow."""


def summarise(*runs: Run) -> pd.DataFrame:
    """The columns of `sim.records.tables.SUMMARY`, with a row for every strategy and metric defined for some user.

    Units and meanings are those of `measures.METRICS` and of `measures.COSTS`, which have a row for each rule. Rows
    called NAME_median and NAME_of_means: see `sim.analysis.everyone`.

    Args:
        runs: one; or several that asked the same with other seeds, whose users are then taken together.
    """
    everyone = Everyone(runs)
    parts = [(ANY, part) for part in everyone.recorded()]
    parts += [(rule, part) for rule in RULES for part in everyone.charged(rule)]
    rows = []
    for rule, part in parts:
        keys = [(strategy, name) for name in part.rows for strategy in everyone.strategies]
        value, low, high, users, effect, _ = part.interval
        for i, (strategy, name) in enumerate(keys):
            if users[i]:
                numbers = (value[i], low[i], high[i], part.medians[i], users[i], effect[i])
                rows.append((strategy, name, rule, unit_of(name), *numbers))
    table = pd.DataFrame(rows, columns=[c.name for c in SUMMARY])
    order = table["strategy"].map({s: i for i, s in enumerate(everyone.strategies)})
    return table.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)


def unit_of(name: str) -> str:
    """The unit of a row of summary.csv, by its metric."""
    return (METRICS | COSTS)[name.removesuffix("_median").removesuffix(OF_MEANS)].unit


def write_summary(run: Run) -> pd.DataFrame:
    """Write summary.csv into the run's folder, and return what is in it."""
    summary = summarise(run)
    write_table(run, "summary", summary)
    return summary


def is_summarised(folder: Path) -> bool:
    """Whether a run's folder has a summary.csv, and not one from before savings had rules."""
    path = folder / SUMMARY_CSV
    return path.is_file() and "rule" in path.read_text(encoding="utf-8").partition("\n")[0].split(",")


def summary_of(folder: Path) -> pd.DataFrame:
    """The summary.csv of a run's folder, or where it has none its summary. Raises UserError where it has no records."""
    return read_table(folder / SUMMARY_CSV, SUMMARY) if is_summarised(folder) else summarise(load_run(folder))


def by_key(summary: pd.DataFrame, rule: str = RESTART) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of a summary by (strategy, metric): those of a rule, and those that follow no rule."""
    return {(row["strategy"], row["metric"]): row for row in records(summary) if row["rule"] in (ANY, rule)}


def number(value: float, digits: int = 3) -> str:
    """Write with so many significant digits, whole numbers in full: 0.0123, 12.3, 1234; NaN: a dash; inf: never."""
    if not math.isfinite(value):
        return DASH if math.isnan(value) else "never" if value > 0 else str(value)
    if abs(value) < 1e-9:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(decimals, 0), 6)}f}"


def interval(low: float, high: float, digits: int = 2, between: str = " to ") -> str:
    """Write both ends; '±0' where no user differs, empty where there is no interval."""
    if math.isnan(low) or math.isnan(high) or math.isinf(low):
        return ""
    if math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12):
        return "±0"
    return f"{number(low, digits)}{between}{number(high, digits)}"


def table(summary: pd.DataFrame) -> Table:
    """The summary for a terminal of 120 columns: a row a strategy, below each mean its 95 % interval."""
    found = by_key(summary)
    shown = [c for c in COLUMNS if c[0] not in REPORT_ONLY and (summary["metric"] == c[0]).any()]
    out = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, caption=_caption(summary), caption_justify="left"
    )
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
    parts = [f"Means over {users} users, 95 % intervals below them."]
    if (summary["metric"] == "compute_saved_total").any():
        parts[0] += " Savings are against scratch, user by user, choosing included"
        parts[0] += " (but for 'tuning alone': steps, over all users)."
        parts.append(f"Rule {RESTART!r}: {MEANING}.")
        parts.append("'breaks even at': the billing.scratch_steps from which on the saving to its left is above 0.")
    fits = summary.loc[summary["metric"] == "fits", "mean"]
    if len(fits) and fits.min() < 1:
        parts.append(f"{number(100 * (1 - fits.min()))} % of the phones have too little memory and are not billed.")
    if said := design_effect(summary):
        parts.append(said)
    return "\n".join(parts)


def design_effect(summary: pd.DataFrame) -> str:
    """A sentence where intervals over users alone would mislead, since users of one style vary together; else ''."""
    effect = summary.loc[summary["metric"].isin([metric for metric, _, _ in COLUMNS]), "effect"].max()
    if not effect > MISLEADING:
        return ""
    return (
        f"Users who start from the same pLLM err together: intervals are up to {number(effect**0.5, 2)} times as wide "
        "as users alone would give."
    )
