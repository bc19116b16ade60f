"""Costs of selection that XPerT's authors published, beside what a sweep bills. Nothing here is fitted to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from sim.analysis.sweep.table import Sweep
from sim.analysis.tables import records
from sim.published import Series, paper

NETWORK = "population.network"
SOURCE = (
    f"{paper().source}: Llama-3.2-1B on a OnePlus 12R, synthetic styles. The values for a pool of 28 of exhaustive and "
    "XPerT are stated in the text; all others are read off charts and so approximate. Bayesian optimisation is drawn a "
    "little lower than exhaustive, no values."
)
ACCURACY_BY_SIMILARITY = {float(point): float(right) for point, right in paper().series("accuracy").published.items()}
"""XPerT's selection accuracy in percent, by similarity."""
TIME_SAVED_BY_SIMILARITY = {float(p): round(paper().series("time").value(p), 1) for p in paper().series("time").points}
"""XPerT's fine-tuning time saved against scratch in percent, by similarity."""

STATED, CHART = "stated", "chart"


def beside_published(sweep: Sweep) -> pd.DataFrame:
    """One row for each run, strategy and quantity that was published; empty where the sweep asks something else.

    The paper measured one phone on one link, so the median user stands beside it: a few slow links rule the mean.

    Columns: strategy, pool, network, quantity, unit, published, basis, billed (median over users), ratio (billed /
    published), mean, low, high (the mean's 95 % interval).
    """
    rows = records(sweep.rows)
    return pd.DataFrame(
        [row for run in rows for series in paper().of("selection").series for row in _row(sweep, run, series)]
    )


def _row(sweep: Sweep, run: dict[str, Any], series: Series) -> Iterator[dict[str, Any]]:
    folder, (ours,) = run["folder"], series.ours
    size = sweep.setting(series.key, folder)
    asked = {key: value for key, value in series.where.items() if key != NETWORK}
    if run["strategy"] != ours.strategy or any(sweep.setting(key, folder) != value for key, value in asked.items()):
        return
    if (point := str(size)) not in series.published:
        return
    published, billed = series.value(point), ours.factor * run[f"{ours.metric}_median"]
    yield {
        "strategy": ours.strategy,
        "pool": size,
        "network": sweep.setting(NETWORK, folder),
        "quantity": series.quantity.partition(": ")[2],
        "unit": series.unit,
        "published": published,
        "basis": STATED if series.is_stated(point) else CHART,
        "billed": billed,
        "ratio": billed / published,
        "mean": ours.factor * run[ours.metric],
        "low": ours.factor * run[f"{ours.metric}_low"],
        "high": ours.factor * run[f"{ours.metric}_high"],
    }
