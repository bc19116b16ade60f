"""Tables of README.md that are made from committed results: `python -m docs.make` fills them in."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
REFERENCE = ROOT / "results" / "reference"
BLOCK = re.compile(r"(<!-- table of results/reference/([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

COLUMNS: dict[str, tuple[str, float, int]] = {
    "right pLLM, %": ("selection_accuracy", 100, 0),
    "steps to target": ("steps_to_target", 1, 1),
    "target missed, %": ("censored", 100, 0),
    "compute saved, %": ("compute_saved_total", 100, 0),
    "in fine-tuning alone, %": ("compute_saved", 100, 0),
    "minutes in all": ("total_min", 1, 1),
    "kJ in all": ("total_kj", 1, 1),
    "MB down": ("down_mb", 1, 0),
}
"""Heading: (metric of summary.csv, factor, digits)."""


def results_table(folder: Path) -> str:
    """The main metrics of a run's `summary.csv` as Markdown: means over users, 95 % intervals in brackets."""
    summary = pd.read_csv(folder / "summary.csv").set_index(["strategy", "metric"])
    lines = [f"| strategy | {' | '.join(COLUMNS)} | users billed |", f"|---|{'---|' * (len(COLUMNS) + 1)}"]
    for strategy in summary.index.get_level_values(0).unique():
        cells = [_cell(summary, (strategy, metric), factor, digits) for metric, factor, digits in COLUMNS.values()]
        billed = summary["users"].get((strategy, "total_min"), "")
        lines.append(f"| `{strategy}` | {' | '.join(cells)} | {billed} |")
    return "\n".join(lines) + "\n"


def _cell(summary: pd.DataFrame, key: tuple[str, str], factor: float, digits: int) -> str:
    if key not in summary.index:
        return ""
    low, mean, high = (f"{summary.loc[key, part] * factor:,.{digits}f}" for part in ("low", "mean", "high"))  # type: ignore[operator]
    return mean if low == high else f"{mean} ({low} to {high})"


def filled(readme: str) -> str:
    """A README with the tables between its marks made anew."""
    return BLOCK.sub(lambda m: m[1] + "\n" + results_table(REFERENCE / m[2]) + "\n" + m[3], readme)
