"""Costs of selection that XPerT's authors published, beside what a sweep bills. Nothing here is fitted to them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from sim.analysis.sweep.table import Sweep

SOURCE = (
    'Wang et al., "Never Start from Scratch", MobiSys 2025, doi 10.1145/3711875.3729132: Llama-3.2-1B on a OnePlus '
    "12R, synthetic styles. The values for a pool of 28 of exhaustive and XPerT are stated in the text; all others "
    "are read off charts and so approximate. Bayesian optimisation is drawn a little lower than exhaustive, no values."
)
ACCURACY_BY_SIMILARITY = {0.3: 25.0, 0.5: 53.6, 0.7: 85.7, 0.8: 96.4, 0.9: 96.4}
"""XPerT's selection accuracy in percent, by similarity."""
TIME_SAVED_BY_SIMILARITY = {0.3: 6.0, 0.5: 16.0, 0.7: 42.0, 0.8: 66.0, 0.9: 82.0}
"""XPerT's fine-tuning time saved against scratch in percent, by similarity."""

STATED, CHART = "stated", "chart"


@dataclass(frozen=True)
class PublishedCost:
    """Published cost of one selection: minutes of communication and computation, kilojoules of computation."""

    communication_min: float
    computation_min: float
    energy_kj: float
    basis: str


PUBLISHED: dict[tuple[str, int], PublishedCost] = {
    ("exhaustive", 14): PublishedCost(38, 24, 7, CHART),
    ("exhaustive", 28): PublishedCost(75.6, 48.3, 13.1, STATED),
    ("exhaustive", 56): PublishedCost(151, 96, 26, CHART),
    ("exhaustive", 84): PublishedCost(227, 144, 39, CHART),
    ("hyperband", 14): PublishedCost(38, 20, 6, CHART),
    ("hyperband", 28): PublishedCost(76, 40, 10, CHART),
    ("hyperband", 56): PublishedCost(151, 69, 20, CHART),
    ("hyperband", 84): PublishedCost(227, 111, 27, CHART),
    ("xpert", 14): PublishedCost(2.7, 13.8, 3.7, CHART),
    ("xpert", 28): PublishedCost(2.7, 13.8, 3.7, STATED),
    ("xpert", 56): PublishedCost(2.7, 13.8, 3.7, CHART),
    ("xpert", 84): PublishedCost(2.7, 13.8, 3.7, CHART),
}

ASKED = {"population.phones": "oneplus-12r", "llm.deploy": "llama-3.2-1b", "pool.ship": "model"}
"""Settings under which a run's bill can stand beside the published one."""
QUANTITIES = (
    ("communication", "min", "download_s", 1 / 60, "communication_min"),
    ("computation", "min", "selection_s", 1 / 60, "computation_min"),
    ("energy", "kJ", "selection_j", 1e-3, "energy_kj"),
)


def beside_published(sweep: Sweep) -> pd.DataFrame:
    """One row for each run, strategy and quantity that was published; empty where the sweep asks something else.

    The paper measured one phone on one link, so the median user stands beside it: a few slow links rule the mean.

    Columns: strategy, pool, network, quantity, unit, published, basis, billed (median over users), ratio (billed /
    published), mean, low, high (the mean's 95 % interval).
    """
    rows = []
    for run in sweep.rows.to_dict("records"):
        folder, strategy = run["folder"], run["strategy"]
        size = sweep.setting("pool.size", folder)
        if any(sweep.setting(key, folder) != value for key, value in ASKED.items()):
            continue
        if (cost := PUBLISHED.get((strategy, size))) is None:
            continue
        for quantity, unit, metric, factor, name in QUANTITIES:
            published, billed = getattr(cost, name), factor * run[f"{metric}_median"]
            rows.append(
                {
                    "strategy": strategy,
                    "pool": size,
                    "network": sweep.setting("population.network", folder),
                    "quantity": quantity,
                    "unit": unit,
                    "published": published,
                    "basis": cost.basis,
                    "billed": billed,
                    "ratio": billed / published,
                    "mean": factor * run[metric],
                    "low": factor * run[f"{metric}_low"],
                    "high": factor * run[f"{metric}_high"],
                }
            )
    return pd.DataFrame(rows)
