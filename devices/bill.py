"""What any work costs on any phone: one question, one table, with the range over phones of that kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from devices.architecture import Llm, Targets
from devices.cost import Cost, total
from devices.device import Device
from devices.networks import Network
from devices.phones import Phone


@dataclass(frozen=True)
class Job:
    """What the phone is to do; what is 0 is left out.

    steps, tokens_per_step: LoRA steps of so many tokens in one sequence (rank=None: full fine-tuning).
    prompt: tokens read by one prefill. answer: tokens written after it. down_mb, up_mb: transfers in MB.
    """

    steps: int = 0
    tokens_per_step: int = 0
    prompt: int = 0
    answer: int = 0
    down_mb: float = 0.0
    up_mb: float = 0.0
    rank: int | None = 8
    targets: Targets = None
    checkpointing: bool | Literal["auto"] = "auto"

    def phases(self, llm: Llm, precision: str) -> dict[str, tuple[float, Callable[[Device], Cost]]]:
        """The phases that are asked for, in order: tokens of each, and what it costs a device."""
        every: dict[str, tuple[float, Callable[[Device], Cost]]] = {
            "download": (self.down_mb, lambda d: d.download(self.down_mb * 1e6)),
            "prefill": (self.prompt, lambda d: d.prefill(llm, self.prompt, precision=precision)),
            "decode": (self.answer, lambda d: d.decode(llm, self.answer, context=self.prompt, precision=precision)),
            "train": (
                self.steps * self.tokens_per_step,
                lambda d: d.train(llm, self.steps, self.tokens_per_step, rank=self.rank, targets=self.targets,
                                  precision=precision, checkpointing=self.checkpointing),
            ),
            "upload": (self.up_mb, lambda d: d.upload(self.up_mb * 1e6)),
        }  # fmt: skip
        return {name: (amount, run) for name, (amount, run) in every.items() if amount > 0}


def bill(
    phone: Phone,
    llm: Llm,
    job: Job,
    *,
    precision: str = "fp16",
    network: Network | None = None,
    draws: int = 1000,
    seed: int = 0,
    **how: Any,
) -> pd.DataFrame:
    """One row a phase, and their total where there are several.

    Columns: phase, seconds, seconds_low, seconds_high, joules, joules_low, joules_high (median phone; 5 and
    95 % over `draws` phones of this model, each with its own rates), watts, tokens_per_s, joules_per_token,
    battery_share, memory_gb and usable_gb (peak, and what an app may use), fit, reason. NaN where it does not
    fit, or is no such figure. `how`: backend, ram_gb, threads, screen_on, constants, as in `Device.of`.
    """
    phases = job.phases(llm, precision)
    if not phases:
        raise ValueError("nothing to cost: ask for steps, a prompt, an answer, or a transfer")
    one = Device.of(phone, network, **how)
    many = Device.of([phone] * draws, network, rng=np.random.default_rng(seed), **how)
    bills = {name: (amount, run(one), run(many)) for name, (amount, run) in phases.items()}
    if len(bills) > 1:
        bills["total"] = (0, total(b for _, b, _ in bills.values()), total(b for _, _, b in bills.values()))
    return pd.DataFrame([_row(name, *entry) for name, entry in bills.items()])


def _row(phase: str, amount: float, median: Cost, drawn: Cost) -> Mapping[str, Any]:
    tokens = amount if phase in ("prefill", "decode", "train") else np.nan
    memory = float(median.memory_bytes) / 1e9 or np.nan
    low, high = ([np.quantile(values, q) for values in (drawn.seconds, drawn.joules)] for q in (0.05, 0.95))
    return {
        "phase": phase,
        "seconds": float(median.seconds), "seconds_low": low[0], "seconds_high": high[0],
        "joules": float(median.joules), "joules_low": low[1], "joules_high": high[1],
        "watts": float(median.joules / median.seconds),
        "tokens_per_s": float(tokens / median.seconds), "joules_per_token": float(median.joules / tokens),
        "battery_share": float(median.battery_share),
        "memory_gb": memory, "usable_gb": float(median.usable_bytes) / 1e9 if memory == memory else np.nan,
        "fit": median.fit, "reason": median.reason,
    }  # fmt: skip
