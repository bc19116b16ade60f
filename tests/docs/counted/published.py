"""What docs/published.md says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from devices.architecture import llm
from devices.device import Device
from devices.networks import Network
from docs.make.summaries import REFERENCE, read_summary
from sim.analysis.rules import ANY, RESTART
from sim.analysis.run.latent import latent_space
from sim.analysis.sweep.published import NETWORK, STATED, TIME_SAVED_BY_SIMILARITY, beside_published
from sim.analysis.sweep.table import Sweep, load_sweep
from sim.analysis.tables import load_run, records
from tests.docs.counted import minutes


def said() -> Iterator[str]:
    means = {
        share: read_summary(f"similarity where pool.similarity={share}")["mean"] for share in TIME_SAVED_BY_SIMILARITY
    }
    middle = [100 * means[s]["oracle", "time_saved", RESTART] - TIME_SAVED_BY_SIMILARITY[s] for s in (0.5, 0.7, 0.8)]
    yield f"from 50 to 80 % it saves {min(middle):.0f} to {max(middle):.0f} points more than published"
    cards = [100 * mean["xpert_cards", "selection_accuracy", ANY] for mean in means.values()]
    yield f"is right for {min(cards):.0f} to {max(cards):.0f} %"

    found = {space.axis: space.spearman for space in latent_space(load_run(REFERENCE / "latent_space"))}
    yield f"(Spearman {found['expertise']:.2f}) and hardly for formality ({found['formality']:.2f})"
    for name in ("data_saved", "pool_size", "mixed_styles", "latent_space"):
        yield f"{minutes(name)} minutes on two cores"
    yield f"(`results/reference/selection_cost/`, {minutes('selection_cost')} minutes on two cores)"
    assert minutes("similarity") < 30  # under half an hour
    yield from _selection(load_sweep(REFERENCE / "selection_cost"))

    eight, one = (llm(name) for name in ("llama-3.1-8b", "llama-3.2-1b"))
    yield f"through a summarizer of {eight.parameters / one.parameters:.1f} times the size"


def _selection(sweep: Sweep) -> Iterator[str]:
    """The bill of selection."""
    rows = [row for row in records(beside_published(sweep)) if row["network"] == "wifi:122"]
    cells: dict[tuple[str, int], list[str]] = {}
    for row in rows:  # communication, computation, energy of each strategy and pool
        published = f"{row['published']:g}"
        cells.setdefault((row["strategy"], row["pool"]), []).extend([
            _billed(row["billed"], row["strategy"], row["quantity"]),
            f"**{published}**" if row["basis"] == STATED and row["pool"] == 28 else published,
        ])  # fmt: skip
    for (strategy, size), row in cells.items():
        yield f"| {strategy} | {size} | {' | '.join(row)} |"

    runs = {
        s.values["pool.size"]: load_run(s.folders[0]).users for s in sweep.settings if s.values[NETWORK] == "wifi:122"
    }
    (users,) = {users["user_id"].nunique() for users in runs.values()}
    yield f"the median of {users} users"
    phone, read = Device.of("oneplus-12r", ram_gb=16), (llm("llama-3.1-8b"), 50 * 250)
    slower = (
        phone.prefill(*read, context=250, precision="fp16").seconds
        / phone.prefill(*read, context=250, precision="int4").seconds
    )
    minutes = runs[28].query("strategy == 'xpert'")["selection_s"].median() / 60
    yield f"In fp16 the phone's CPU would take {slower * minutes / 13.8:.1f} times the published time"
    wifi = float(Network.median().down_mbps)
    yield f"{wifi:.0f} is the median Wi-Fi of the world, and gives {122 / wifi:.2f} times the published minutes"

    means = {size: users.groupby("strategy")[["bytes_down", "selection_s"]].mean() for size, users in runs.items()}
    small, large = means[14].loc["xpert"], means[84].loc["xpert"]
    yield (
        f"From 14 to 84 pLLMs xpert's bytes grow by {100 * (large['bytes_down'] / small['bytes_down'] - 1):.2f} % and "
        f"its mean seconds fall by {100 * (1 - large['selection_s'] / small['selection_s']):.1f} %"
    )
    for column in ("bytes_down", "selection_s"):
        exhaustive = [mean[column]["exhaustive"] for mean in means.values()]
        assert np.corrcoef(list(means), exhaustive)[0, 1] ** 2 > 0.9999
    yield "are linear (R2 over 0.9999)"
    shares = pd.DataFrame({size: mean.loc["bayesian"] / mean.loc["exhaustive"] for size, mean in means.items()}).T
    bytes_down, seconds = ([shares[c].min(), shares[c].max()] for c in ("bytes_down", "selection_s"))
    yield f"`bayesian` downloads {100 * bytes_down[0]:.0f} to {100 * bytes_down[1]:.0f} % of the pool"
    yield f"takes {seconds[0]:.2f} to {seconds[1]:.2f} of exhaustive's computation"


def _billed(value: float, strategy: str, quantity: str) -> str:
    if strategy == "xpert" and quantity == "communication":
        return f"{value:.2f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
