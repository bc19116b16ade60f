"""Which phones can train which LLM under which runtime, as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from devices.adapters import Lora
from devices.architecture import llm
from devices.device import Device
from devices.memory import RUNTIMES
from devices.phones import phones
from devices.populations import market_weights

LLMS = ("qwen2.5-0.5b", "gemma-3-1b", "llama-3.2-1b", "qwen2.5-1.5b", "qwen2.5-3b", "gemma-3-4b", "llama-3.1-8b")
"""The LLMs of the table, from small to large."""


def memory_table(
    llms: Sequence[str] = LLMS,
    *,
    tokens_per_step: int = 98,
    precisions: Sequence[str] = ("fp16", "int4"),
    rank: int = 8,
    targets: str = "all-linear",
) -> pd.DataFrame:
    """A row for each LLM and precision of its weights, with each phone at the smallest RAM that it is sold with.

    Columns: llm, precision, and for each runtime: RUNTIME_gb (the least peak of a training step, which recomputes
    activations), RUNTIME_phones (of the catalogue, on which that fits), RUNTIME_market (share of the market mix whose
    phone is one of them), RUNTIME_slowdown (time of such a step over that of one that recomputes and unpacks nothing,
    with room for anything: the median over the catalogue). A step is one sequence.

    Raises ValueError for an LLM, precision or targets that are not known.
    """
    ids = list(phones())
    devices, roomy = Device.of(ids), Device.of(ids, ram_gb=1e6)
    market = np.array([market_weights()[name] for name in ids])
    rows = []
    for name in llms:
        for precision in precisions:
            work = (llm(name), 1, tokens_per_step)
            settings = {"adapter": Lora(rank, targets), "precision": precision}
            quickest = roomy.train(*work, **settings)  # type: ignore[arg-type]
            row: dict[str, object] = {"llm": name, "precision": precision}
            for runtime in RUNTIMES:
                settings |= {"checkpointing": True, "runtime": runtime}
                cost, seconds = (d.train(*work, **settings) for d in (devices, roomy))  # type: ignore[arg-type]
                row |= {
                    f"{runtime}_gb": float(np.max(cost.memory_bytes)) / 1e9,
                    f"{runtime}_phones": int(cost.fits.sum()),
                    f"{runtime}_market": float(market @ cost.fits),
                    f"{runtime}_slowdown": float(np.median(seconds.seconds / quickest.seconds)),
                }
            rows.append(row)
    return pd.DataFrame(rows)
