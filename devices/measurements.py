"""The published measurements, and what the cost model says about each.

measurements.csv holds one figure a row, with its source; the operations are

- `train`: seconds of `steps` LoRA steps of `tokens` tokens (adapters on all linear layers; MLX: q and v);
- `train_flops`: seconds of a step of another network whose FLOPs (in `tokens`) are known;
- `prefill` (weights in integers), `prefill_float` (in fp32, fp16 or bf16), `decode`: tokens a second;
  `context` is the prompt's length, `tokens` those read or written;
- `prefill_power`, `decode_power`: watts of the whole phone, screen on;
- `memory`: peak GB of a training step; `fits`: 1 where training ran, 0 where it was out of memory.

`threads` is what the engine was set to where its source says so; empty: all cores are taken. `runtime` is how the
engine holds the LLM in training (`memory.RUNTIMES`); empty: resident. XPerT's OnePlus 12R figures are not among
them: they are compared in `validate.xpert_table` and never fitted.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from devices import mebp, memory
from devices.adapters import Lora
from devices.architecture import Llm, llm
from devices.basics import Floats
from devices.constants import Constants
from devices.device import Device

CSV = Path(__file__).parent / "measurements.csv"
IN_SECONDS = ("train", "train_flops")
EVERY = Lora(8, "all-linear")
PLENTY_GB = 1000.0


@cache
def _read(path: Path) -> pd.DataFrame:
    text = ("llm", "stand_in", "note", "phone_id")
    return pd.read_csv(path, keep_default_na=False, na_values={c: [""] for c in ("params_b", "context", "threads")},
                       dtype=dict.fromkeys(text, str))  # fmt: skip


def read_measurements() -> pd.DataFrame:
    """The table, one published figure a row (see the module's docstring)."""
    return _read(CSV).copy()


def data_sha256() -> str:
    """Hash of the measurements file: a calibration names the data that it was made from."""
    return hashlib.sha256(CSV.read_bytes()).hexdigest()


@cache
def _llm(name: str, params_b: float) -> Llm:
    return Llm.of_size(params_b * 1e9, name=name) if np.isfinite(params_b) else llm(name)


def predict(rows: pd.DataFrame, constants: Constants) -> pd.Series[float]:
    """The model's figure for each row, in the row's unit.

    A row's `phone` (a `Phone`) counts before its `phone_id`, where it has one.
    Times are compared also where the memory rule says that training does not fit; `fits` rows compare the
    rule.
    """
    values = pd.Series(np.nan, index=rows.index)
    same = ["operation", "phone_id", "backend", "runtime", "llm", "params_b", "precision", "threads"]
    for _, group in rows.groupby(same, dropna=False):
        values.loc[group.index] = _predict(group, constants)
    return values


def _predict(group: pd.DataFrame, constants: Constants) -> Floats:
    """The figures for rows that differ only in tokens, context and steps."""
    row = group.iloc[0]
    tokens, steps, context = (group[c].to_numpy(dtype=float) for c in ("tokens", "steps", "context"))
    runtime = row.runtime or memory.RESIDENT
    if row.operation == "memory" and runtime == memory.MEBP:
        return mebp.training_bytes(_llm(row.llm, row.params_b), tokens, row.precision, constants, adapter=EVERY,
                                   context=context, trainable_bytes=mebp.SGD_BYTES) / 1e9  # fmt: skip
    if row.operation == "memory":
        return memory.training_bytes(_llm(row.llm, row.params_b), tokens, row.precision, constants,
                                     adapter=EVERY) / 1e9  # fmt: skip
    power = row.operation.endswith("_power")
    device = Device.of(row.get("phone", row.phone_id), backend=row.backend, screen_on=power, constants=constants,
                       threads=int(row.threads) if np.isfinite(row.threads) else None,
                       ram_gb="smallest" if row.operation == "fits" else PLENTY_GB)  # fmt: skip
    if row.operation == "train_flops":
        return tokens / device.train_flop_s
    model = _llm(row.llm, row.params_b)
    if row.operation in ("train", "fits"):
        mlx = device.backend == "gpu_mlx" and runtime == memory.RESIDENT
        cost = device.train(model, steps, tokens, adapter=Lora() if mlx else EVERY, precision=row.precision,
                            checkpointing=mlx and tokens.min() > 256, runtime=runtime)  # fmt: skip
        return cost.fits.astype(float) if row.operation == "fits" else cost.seconds
    if row.operation.startswith("prefill"):
        cost = device.prefill(model, tokens, precision=row.precision)
    else:
        cost = device.decode(model, tokens, context=context, precision=row.precision)
    return cost.joules / cost.seconds if power else tokens / cost.seconds
