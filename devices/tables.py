"""Phones and costs as tables and text, for the command line and for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pandas as pd

from devices.architecture import llm, llm_names
from devices.device import Device
from devices.phones import Phone, find_phone, phones

COST_LLMS = ("smollm2-135m", "smollm-360m", "qwen2-0.5b", "gemma-3-1b", "llama-3.2-1b", "qwen2.5-1.5b",
             "smollm3-3b", "llama-3.1-8b")  # fmt: skip
"""The LLMs of the cost table, from small to large."""


def phones_table() -> pd.DataFrame:
    """One row a phone: the figures that decide its cost; `filled` lists those that have no source."""
    return pd.DataFrame(
        [
            {
                "phone_id": p.phone_id, "name": p.name, "year": p.release_year, "tier": p.tier, "soc": p.soc,
                "cpu_gflops": round(p.cpu_scale_gflops, 1), "bandwidth_gb_s": p.memory_bandwidth_gb_s,
                "ram_gb": p.ram_gb, "battery_wh": p.battery_wh, "flash": p.flash,
                "filled": ", ".join(sorted(p.filled)),
            }
            for p in phones().values()
        ]
    )  # fmt: skip


def llms_table() -> pd.DataFrame:
    """One row an LLM whose shape comes with the package, from small to large; sizes of the weights in GB."""
    shapes = sorted((llm(name) for name in llm_names()), key=lambda shape: (shape.parameters, shape.name))
    return pd.DataFrame(
        [
            {
                "llm": s.name, "billions": s.parameters / 1e9, "layers": s.layers, "width": s.width,
                "vocabulary": s.vocab, "fp16_gb": s.weight_bytes("fp16") / 1e9, "int4_gb": s.weight_bytes("int4") / 1e9,
            }
            for s in shapes
        ]
    )  # fmt: skip


def show_phone(name: str) -> str:
    """Everything about one phone as text: figures, marked where filled by rule, costs by LLM, sources."""
    phone = find_phone(name)
    lines = [phone.name, ""]
    for field in fields(Phone):
        if field.name in ("phone_id", "brand", "model", "source_urls", "notes", "filled"):
            continue
        value: object = getattr(phone, field.name)
        if isinstance(value, tuple):
            value = "/".join(f"{v:g}" for v in value)
        shown = "unknown" if value in (None, "") else str(value)
        mark = "   (filled by rule)" if field.name in phone.filled else ""
        lines.append(f"  {field.name:26} {shown}{mark}")
    lines += ["", "One personalisation (1000 LoRA steps of 98 tokens, fp16 weights):"]
    for row in cost_table([phone.phone_id]).to_dict("records"):
        cost = row["reason"] or f"{row['minutes']:8.0f} min {row['kilojoules']:8.1f} kJ"
        lines.append(f"  {row['llm']:14} {cost}")
    lines += ["", "Sources: " + phone.source_urls]
    return "\n".join([*lines, "Notes: " + phone.notes] if phone.notes else lines)


def compare_phones(names: Sequence[str]) -> pd.DataFrame:
    """Phones side by side: one column each, figures and minutes of one personalisation by LLM as rows."""
    chosen = [find_phone(name) for name in names]
    figures = phones_table().set_index("phone_id").loc[[p.phone_id for p in chosen]].drop(columns=["name", "filled"])
    costs = cost_table([p.phone_id for p in chosen]).pivot(index="phone_id", columns="llm", values="minutes")
    costs = costs.loc[figures.index, list(COST_LLMS)].round(0).add_prefix("minutes, ")
    table = figures.join(costs).T
    table.columns = pd.Index([p.name for p in chosen])
    return table


def cost_table(
    phone_ids: Sequence[str] | None = None,
    llms: Sequence[str] = COST_LLMS,
    *,
    steps: int = 1000,
    tokens_per_step: int = 98,
    precision: str = "fp16",
    backend: str = "cpu_tuned",
) -> pd.DataFrame:
    """Cost of one personalisation from scratch for every phone and LLM (default: the whole catalogue).

    Columns: phone_id, llm, minutes, kilojoules, battery_share, memory_gb, usable_gb, fit ("fits" or
    "does_not_fit"), reason. Checkpointing is used where the step would not fit without. Minutes are NaN
    where it does not fit.
    """
    ids = list(phones()) if phone_ids is None else [find_phone(name).phone_id for name in phone_ids]
    devices = Device.of(ids, backend=backend)
    tables = []
    for name in llms:
        cost = devices.train(llm(name), steps, tokens_per_step, precision=precision, checkpointing="auto")
        tables.append(pd.DataFrame({
            "phone_id": ids, "llm": name, "minutes": cost.seconds / 60, "kilojoules": cost.joules / 1e3,
            "battery_share": cost.battery_share,
            "memory_gb": np.broadcast_to(cost.memory_bytes, len(ids)) / 1e9,
            "usable_gb": cost.usable_bytes / 1e9, "fit": cost.fit,
            "reason": [cost.at(i).reason for i in range(len(ids))],
        }))  # fmt: skip
    return pd.concat(tables, ignore_index=True)
