"""A table of what given work costs on one phone: a row a phase, with the range over phones of that model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from devices.adapters import Adapter, Lora
from devices.architecture import Llm
from devices.constants import Constants
from devices.cost import Cost, total
from devices.device import Device
from devices.memory import Runtime
from devices.networks import Network
from devices.phones import Phone
from devices.rates import Ram


@dataclass(frozen=True)
class Workload:
    """What the phone is to do; what is 0 is left out.

    steps, tokens_per_step: training steps of so many tokens in one sequence (adapter=None: full fine-tuning).
    prompt: tokens read by one prefill. answer: tokens written after it. down_mb, up_mb: transfers in MB.
    runtime: the software that trains (`devices.memory.Runtime`).
    """

    steps: int = 0
    tokens_per_step: int = 0
    prompt: int = 0
    answer: int = 0
    down_mb: float = 0.0
    up_mb: float = 0.0
    adapter: Adapter | None = Lora()
    checkpointing: bool | Literal["auto"] = "auto"
    runtime: Runtime = "resident"

    def phases(self, llm: Llm, precision: str) -> dict[str, tuple[float, Callable[[Device], Cost]]]:
        """The phases that are asked for, in order: tokens of each, and what it costs a device."""
        every: dict[str, tuple[float, Callable[[Device], Cost]]] = {
            "download": (self.down_mb, lambda d: d.download(self.down_mb * 1e6)),
            "prefill": (self.prompt, lambda d: d.prefill(llm, self.prompt, precision=precision)),
            "decode": (self.answer, lambda d: d.decode(llm, self.answer, context=self.prompt, precision=precision)),
            "train": (
                self.steps * self.tokens_per_step,
                lambda d: d.train(llm, self.steps, self.tokens_per_step, adapter=self.adapter, precision=precision,
                                  checkpointing=self.checkpointing, runtime=self.runtime),
            ),
            "upload": (self.up_mb, lambda d: d.upload(self.up_mb * 1e6)),
        }  # fmt: skip
        return {name: (amount, run) for name, (amount, run) in every.items() if amount > 0}


def bill(
    phone: Phone,
    llm: Llm,
    workload: Workload,
    *,
    precision: str = "fp16",
    network: Network | None = None,
    draws: int = 1000,
    seed: int = 0,
    backend: str = "cpu_tuned",
    ram_gb: Ram = "smallest",
    threads: int | None = None,
    screen_on: bool = False,
    constants: Constants | None = None,
) -> pd.DataFrame:
    """The cost of a workload on a phone: one row a phase, and their total where there are several.

    Columns: phase, seconds, seconds_low, seconds_high, joules, joules_low, joules_high (median phone; 5 and
    95 % over `draws` phones of this model, each with its own rates), watts, tokens_per_s, joules_per_token,
    battery_share, memory_gb and usable_gb (peak, and what an app may use), fit, reason. NaN where it does not
    fit, or is no such figure. `backend` and what follows it are as in `Device.of`.

    Raises ValueError where nothing is to be done, and what `Device.of` raises.
    """
    phases = workload.phases(llm, precision)
    if not phases:
        raise ValueError("nothing to cost: ask for steps, a prompt, an answer, or a transfer")
    one, many = (
        Device.of(which, network, backend=backend, rng=rng, ram_gb=ram_gb, threads=threads, screen_on=screen_on,
                  constants=constants)
        for which, rng in ((phone, None), ([phone] * draws, np.random.default_rng(seed)))
    )  # fmt: skip
    costs = {name: (amount, run(one), run(many)) for name, (amount, run) in phases.items()}
    if len(costs) > 1:
        costs["total"] = (0, total(c for _, c, _ in costs.values()), total(c for _, _, c in costs.values()))
    return pd.DataFrame([_row(name, *entry) for name, entry in costs.items()])


def _row(phase: str, amount: float, median: Cost, drawn: Cost) -> Mapping[str, object]:
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


def as_shown(table: pd.DataFrame) -> pd.DataFrame:
    """What of a bill is printed, with ranges as text."""
    ranges = {
        f"{unit}, 5-95 %": [
            f"{low:.3g}-{high:.3g}" if low == low else ""  # NaN where it does not fit
            for low, high in zip(table[f"{unit}_low"], table[f"{unit}_high"], strict=True)
        ]
        for unit in ("seconds", "joules")
    }
    rest = {"watts": "watts", "tokens_per_s": "tokens/s", "joules_per_token": "J/token", "battery_share": "battery",
            "memory_gb": "peak GB", "usable_gb": "may use GB", "fit": "fit"}  # fmt: skip
    order = ["phase", "seconds", "seconds, 5-95 %", "joules", "joules, 5-95 %"]
    return table.assign(**ranges)[[*order, *rest]].rename(columns=rest)
