"""How good the explanations of a run are: summary.csv's own numbers, for its report."""

from __future__ import annotations

import pandas as pd

from sim.analysis.explain.reasons import how_good
from sim.analysis.look.page import Cell, html_table, paragraph
from sim.analysis.measures import TAUGHT
from sim.analysis.summary import DASH, by_key, interval, number
from sim.analysis.words.quality import QUALITY

_HEADINGS = (
    *("strategy", "styles", "first word names the tone, %", "first three words true, %", "by chance, %"),
    *("contradictions, %", "had none been left out, %", "words alone give the same pLLM, %"),
)
_STYLES = {"": "all", **{end: end.removeprefix("_") for end in TAUGHT}}


def explained(summary: pd.DataFrame) -> str:
    """A sentence for each strategy that explains, and its measures for all, taught and untaught styles; '' for none."""
    found = by_key(summary)
    sentences, rows = [], []
    for strategy in dict.fromkeys(summary["strategy"]):
        means = {name: float(found[strategy, name]["mean"]) for name in QUALITY if (strategy, name) in found}
        if not means:
            continue
        sentences.append(f"Explanations by {strategy}, over all users: {how_good(means)}.")
        for end, styles in _STYLES.items():
            cells = [_cell(found.get((strategy, name + end))) for name in QUALITY]
            if any(cell.key is not None for cell in cells):
                rows.append([strategy, styles, *cells])
    if not rows:
        return ""
    return "".join(map(paragraph, sentences)) + html_table(_HEADINGS, rows)


def _cell(row: dict[str, float] | None) -> Cell:
    if row is None:
        return Cell(DASH)
    mean, low, high = (100 * float(row[part]) for part in ("mean", "low", "high"))
    return Cell(number(mean), interval(low, high), mean)
