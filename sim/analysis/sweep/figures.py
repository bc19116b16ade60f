"""All figures of a sweep by name, for its report and for files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from sim.analysis.look.figures import save, styled
from sim.analysis.rules import RESTART
from sim.analysis.sweep.attacked import by_share, lost
from sim.analysis.sweep.by_llm import by_llm
from sim.analysis.sweep.mixed import beside_mixed, mixed_styles
from sim.analysis.sweep.plots import accuracy_by_similarity, cost_by_pool, metrics_by_key, pareto
from sim.analysis.sweep.private import EPSILON, by_epsilon
from sim.analysis.sweep.table import Sweep, listed
from sim.common.names import file_name
from sim.experiment.names import SEEDS


class Drawn(NamedTuple):
    """A figure of a sweep: what it is called where it is shown, its caption, and what draws it."""

    title: str
    caption: str
    draw: Callable[[], Figure | None]

    def figure(self) -> Figure | None:
        """The figure in the project's look; None where the sweep lacks the data."""
        with styled():
            return self.draw()


def figures(sweep: Sweep) -> list[Drawn]:
    """Every figure, in reading order."""
    pooled = sweep.pooled
    return [
        *(_by_key(sweep, key) for key in shown_keys(sweep)),
        Drawn("Leak and savings by epsilon", _PRIVATE, lambda: by_epsilon(pooled)),
        Drawn("Cost by pool size", _COST, lambda: cost_by_pool(pooled)),
        Drawn("Accuracy by similarity", _ACCURACY, lambda: accuracy_by_similarity(pooled)),
        Drawn("Cost against accuracy", _PARETO, lambda: pareto(pooled)),
        Drawn("Cost against accuracy by LLM", _BY_LLM, lambda: by_llm(sweep)),
        Drawn(ATTACKED, _ATTACKED, lambda: by_share(lost(sweep))),
        Drawn(MIXED, _MIXED, lambda: mixed_styles(beside_mixed(sweep))),
    ]


def shown_keys(sweep: Sweep) -> list[str]:
    """The swept keys that have several values and say something of their own."""
    others = [key for key in sweep.keys if key != EPSILON]  # which has a picture of its own, for 0 is not little of it
    return [key for key in others if sweep.rows[key].nunique() > 1 and not _counts_along(sweep, key)]


def draw_all(sweep: Sweep, folder: Path, kind: str = "png") -> list[Path]:
    """Write every figure that the sweep has data for, as files of a kind: png, svg or pdf."""
    written = []
    for drawn in figures(sweep):
        if (figure := drawn.figure()) is not None:
            name = file_name(drawn.title.lower().replace(" ", "_"))
            written.append(save(figure, folder / f"{name}.{kind}"))
    return written


ATTACKED, MIXED = "What attackers cost honest users", "Users who mix styles"
_PRIVATE = (
    f"What privacy costs and what it hides, with 95 % intervals; rule {RESTART}. In all: with the private fine-tuning "
    "of who contributes; tuning alone: what starts from such adapters are worth. Leak: how well texts that an adapter "
    "was fine-tuned on are told from others, by their loss or its ratio to that under others' adapters (0.5: chance)."
)
_COST = "What choosing costs the phone, by size of the pool, with 95 % intervals."
_ACCURACY = (
    "How often a truly closest pLLM is chosen, by the share of style text in the pLLMs' data, with 95 % intervals."
)
_PARETO = (
    "Every run (replicates together) and strategy that chooses: what choosing costs against how often it is right. "
    "Upper left is better."
)
_BY_LLM = (
    "What choosing would cost with other LLMs on the phone, each base and summarizer, against how often it is right. "
    "Only costs are of these LLMs: who is right comes from the LLM that was really run, and is the same for all. "
    "FLOPs are of choosing, minutes and joules of choosing and downloads. 95 % intervals; filled: no other strategy "
    "with that LLM, the oracle apart, is right as often for less of that cost. What fewer than half of the phones can "
    "do is left out."
)
_ATTACKED = (
    "By how many percentage points less compute is saved than by the same users where nobody attacks; 95 % intervals."
)
_MIXED = "Steps by number of styles, measured and published; the line is scratch."


def _counts_along(sweep: Sweep, key: str) -> bool:
    """Whether a key is the second seed of replicates, which says no more than the first."""
    first, second = SEEDS
    if key != second or first not in sweep.keys:
        return False
    return len(sweep.rows[[first, second]].drop_duplicates()) == sweep.rows[first].nunique()


def _by_key(sweep: Sweep, key: str) -> Drawn:
    sweep = sweep if key in SEEDS else sweep.pooled
    others = [k for k in sweep.keys if k != key]
    note = f" Runs that differ in {listed(others)} are averaged, and a bar spans all their intervals." if others else ""
    caption = f"Means over users with 95 % intervals, by {key}.{note}"
    return Drawn(f"By {key}", caption, lambda: metrics_by_key(sweep, key))
