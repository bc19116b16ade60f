"""What a pLLM is worth in texts: how much of the loss its start takes away, and how many own texts do as much."""

from __future__ import annotations

import numpy as np
import pandas as pd

from docs.make.summaries import REFERENCE, Of, bounds_of, markdown, read_summary
from sim.analysis.sweep.table import load_sweep
from sim.analysis.tables import Run, load_run
from sim.experiment.names import ORACLE, SCRATCH
from sim.published import paper

HEADINGS = (
    "similarity", "texts in the style", "`oracle`: loss taken away before the first step, %",
    "from scratch, trained on as many own texts, %", "`oracle`: data saved, %", "published, %",
)  # fmt: skip


def learning(name: str) -> str:
    """By similarity: what the right start takes of the loss that training on all texts from scratch takes away."""
    sweep = load_sweep(REFERENCE / name)
    published = paper().series("data").published
    lines = []
    for similarity in dict.fromkeys(sweep.rows["pool.similarity"]):
        (setting,) = (s for s in sweep.settings if s.values["pool.similarity"] == similarity)
        run = load_run(setting.folders[0])
        assert run.config is not None
        own = run.config.population.texts
        start, trained = taken_away(run, similarity)
        summary = read_summary(f"{name} where pool.similarity={similarity}")
        saved = bounds_of(summary, Of("data_saved", strategy=ORACLE))
        worth = (f"{similarity * own:.0f} of {own}", f"{100 * start:.0f}", f"{100 * trained:.0f}", saved)
        lines.append([f"{100 * similarity:g} %", *worth, f"{published[str(similarity)]:g}"])
    return markdown(HEADINGS, lines)


def taken_away(run: Run, share: float) -> tuple[float, float]:
    """Shares of the loss that scratch takes away with all texts: by the oracle's start, by scratch with some texts.

    Means over the run's users; between rungs of the ladder scratch is interpolated.
    """
    rows = pd.concat([run.ladder, run.users])
    scratch = rows[rows["strategy"] == SCRATCH].groupby("amount")["best_loss"].mean()
    base = run.users.loc[run.users["strategy"] == SCRATCH, "start_loss"].mean()
    start = run.users.loc[run.users["strategy"] == ORACLE, "start_loss"].mean()
    all_texts = base - scratch[1.0]
    at_share = np.interp(share, scratch.index.to_numpy(float), scratch.to_numpy(float))
    return float((base - start) / all_texts), float((base - at_share) / all_texts)
