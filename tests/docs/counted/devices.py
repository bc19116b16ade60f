"""What docs/devices.md says: here of the measurements that the model was tested on, in _devices.py of the model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from devices.adapters import Lora
from devices.architecture import llm
from devices.calibrate import predict_held_out
from devices.constants import calibrated
from devices.device import Device
from devices.measurements import predict
from devices.phones import find_phone, phones
from devices.validate import summary, validate
from tests.docs.counted._devices import of_the_model
from tests.docs.counted._shown import listed, percent, span


def said() -> Iterator[str]:
    rows = validate()
    yield from _errors(rows)
    yield from _published_peaks(rows)
    yield from _reading(rows)
    yield from _misses(rows)
    yield from _training_of_mobilefinetuner()
    yield from of_the_model()


def _errors(rows: pd.DataFrame) -> Iterator[str]:
    """The table of what the model was tested on."""
    found = summary(rows).set_index(["operation", "backend", "runtime"])
    targets = {("train", "gpu_llamacpp"): 35, ("prefill", "cpu_tuned"): 25}
    names = {
        ("train", "gpu_llamacpp", ""): "LoRA training time",
        ("prefill", "cpu_tuned", ""): "prefill, integers",
        ("prefill", "gpu_llamacpp", ""): "prefill",
        ("decode", "cpu_tuned", ""): "decode",
        ("decode", "gpu_llamacpp", ""): "decode",
        ("prefill_power", "cpu_tuned", ""): "prefill power",
        ("decode_power", "cpu_tuned", ""): "decode power",
        ("train_flops", "cpu_generic", ""): "LSTM training time",
    }
    for key, name in names.items():
        row, target = found.loc[key], targets.get(key[:2])
        median = f"**{percent(row.held_out_phones)}** (target {target})" if target else percent(row.held_out_phones)
        source = "one source" if row.papers == 1 else percent(row.held_out_papers)
        counts = f"{row.rows:.0f}, {row.phones:.0f}, {row.papers:.0f}"
        cells = [name, key[1], counts, median, percent(row.each_phone_once), source, percent(row.within_2x)]
        yield f"| {' | '.join(cells)} |"
    for key, name in {
        ("prefill_float", "cpu_tuned", ""): "prefill, floats | cpu_tuned | 2, 1, 1",
        ("memory", "gpu_llamacpp", ""): "training memory, `resident` | gpu_llamacpp | 16, not named, 1",
        ("memory", "gpu_mlx", "mebp"): "training memory, `mebp` | gpu_mlx | 11, 2, 2",
    }.items():
        yield f"| {name} | not held out: {percent(found.loc[key].fitted)} |"
        assert name.split(" | ")[2].startswith(f"{found.loc[key].rows:.0f}, ")


def _published_peaks(rows: pd.DataFrame) -> Iterator[str]:
    """The table of MeBP's and MeSP's peaks, and what is said of their times."""
    peaks = rows[(rows.operation == "memory") & (rows.runtime == "mebp")]
    off = (peaks.ratio - 1).abs()
    yield f"Against {len(peaks)} peaks of two papers the median error is {percent(off.median())}, "
    yield f"the largest {percent(off.max())}; three more"
    for row in (
        peaks[(peaks.paper == "mebp") & peaks.llm.str.startswith("qwen")],
        peaks[(peaks.paper == "mebp") & peaks.llm.str.startswith("gemma")],
        peaks[(peaks.paper == "mesp") & (peaks.llm == "qwen2.5-0.5b")],
        peaks[(peaks.paper == "mesp") & (peaks.llm != "qwen2.5-0.5b")],
    ):
        yield f"| {listed(row.published, 3)} | {listed(row.ratio, 2)} |"
    steps = rows[(rows.operation == "train") & (rows.runtime == "mebp")]
    old, new = (steps[steps.paper == paper] for paper in ("mebp", "mesp"))
    yield f"gives {span(old.ratio, 2)} of MeBP's published step on that phone, and {span(new.ratio, 1)} times MeSP's"
    apart = (old.set_index("llm").published / old.set_index("llm").steps).div(
        new.set_index("llm").published / new.set_index("llm").steps
    )
    yield f"differ by a factor of {span(apart.dropna(), 1)} on the same LLMs"


def _reading(rows: pd.DataFrame) -> Iterator[str]:
    """Read these numbers with care."""
    train = rows[(rows.operation == "train") & (rows.backend == "gpu_llamacpp")]
    bitnet, others = (train[train.paper == paper] for paper in ("qvac-bitnet", "qvac-finetune"))
    yield f"({len(bitnet)} BitNet runs, median error {percent((bitnet.ratio - 1).abs().median())})"
    yield f"The other {len(others)} runs"
    yield f"miss by {percent((others.ratio - 1).abs().median())}"
    prefill = rows[(rows.operation == "prefill") & (rows.backend == "cpu_tuned")]
    four = prefill.phone_id.value_counts().head(4).sum()
    yield f"{four} of the {len(prefill)} rows of prefill are of four phones"
    fits = rows[(rows.operation == "fits") & (rows.published == 0)]
    refused = predict(train.assign(operation="fits"), calibrated()) == 0
    rightly = int((fits.predicted == 0).sum())
    yield f"| {len(fits)} published out-of-memory failures (GPU training) | rule refuses {rightly} |"
    yield f"Of {len(train)} runs that succeeded the rule would refuse {refused.sum()} (13B on an 8 GB iPhone)"

    # What knowing the threads changed, on the rows that were there before the blind tests.
    before = prefill[~prefill.paper.isin(["litert-lm", "executorch-meta"]) & (prefill.device != "Poco F8 Ultra")]
    errors = []
    for told in (before.assign(threads=np.nan), before):
        off = (predict_held_out(told, "phone_id") / told.published.astype(float) - 1).abs()
        errors.append([100 * off.median(), 100 * off.groupby(told.phone_id).median().median()])
    (rows_before, rows_after), (phones_before, phones_after) = zip(*errors, strict=True)
    yield (
        f"On the {len(before)} rows of {before.phone_id.nunique()} phones that were there before, it lowers the error "
        f"of prefill from {rows_before:.0f} to {rows_after:.0f} %, "
        f"and with each phone once from {phones_before:.0f} to {phones_after:.0f} %"
    )


def _misses(rows: pd.DataFrame) -> Iterator[str]:
    """Where it misses, and why."""

    def of(operation: str, backend: str, device: str, **where: str) -> pd.Series[float]:
        found = rows[(rows.operation == operation) & (rows.backend == backend) & (rows.device == device)]
        for column, value in where.items():
            found = found[found[column].str.contains(value)]
        return found.ratio

    def middle(digits: int, *ratios: pd.Series[float]) -> str:
        return ", ".join(f"{ratio.median():.{digits}f}" for ratio in ratios)

    train = ("train", "gpu_llamacpp")
    pixel = [of(*train, "Pixel 9", llm=name, precision="int4") for name in ("qwen3-1.7b", "qwen3-4b")]
    yield f"| Qwen3-1.7B and -4B in 4 bits on Pixel 9 GPU (training) | {middle(2, *pixel)} |"
    gemma = rows[(rows.operation == "train") & (rows.backend == "gpu_llamacpp") & (rows.llm == "gemma-3-1b")]
    yield f"| Gemma-3-1B on all three GPUs (training) | {span(gemma.ratio, 2, '-')} |"
    yield f"| Galaxy S25, BitNet (training) | {middle(2, of(*train, 'Galaxy S25', paper='qvac-bitnet'))} |"
    prefill, decode = ("prefill", "cpu_tuned"), ("decode", "cpu_tuned")
    oryon = (of(*prefill, name) for name in ("Xiaomi 15 Pro", "Poco F8 Ultra"))
    yield f"| Xiaomi 15 Pro, Poco F8 Ultra (prefill) | {middle(1, *oryon)} |"
    s23, x7 = ([of(*work, name) for work in (prefill, decode)] for name in ("Galaxy S23", "Poco X7 Pro"))
    yield f"| Galaxy S23, llama.cpp (prefill, decode) | {middle(1, *s23)} | slower than Poco X7 Pro ({middle(2, *x7)})"
    apple = ([of(*work, name) for name in ("iPhone 12", "iPhone 14")] for work in (prefill, decode))
    spans = ", ".join(span(pd.Series([r.median() for r in ratios]), 2, "-") for ratios in apple)
    yield f"| iPhone 12, 14, MNN (prefill, decode) | {spans} |"
    large = rows[(rows.paper == "executorch-meta") & rows.llm.isin(["llama-3-8b", "llama-2-7b"])].ratio
    yield f"| Galaxy S22, S24, OnePlus 12, 7B and 8B (decode) | {span(large, 2, '-')} |"
    new = {middle(1, of(*decode, name)) for name in ("Pixel 10", "iPhone 17 Pro")}
    yield f"| Pixel 10, iPhone 17 Pro, ExecuTorch (decode) | {', '.join(new)} |"
    yield f"| Pixel 9 GPU (decode) | {middle(1, of('decode', 'gpu_llamacpp', 'Pixel 9'))} |"


def _training_of_mobilefinetuner() -> Iterator[str]:
    """A step of LoRA on a tuned CPU, by the flagships of the catalogue; an epoch of WikiText-2 is hours on end."""
    ids = [
        p.phone_id for p in map(find_phone, phones())
        if p.os == "Android" and p.tier == "flagship" and p.release_year >= 2021
    ]  # fmt: skip
    yield f"the {len(ids)} Android flagships of the catalogue"
    device = Device.of(ids, ram_gb=1000.0)
    for model, texts, length, rank in (("gpt2", 4, 128, 8), ("gemma-3-270m", 4, 256, 32)):
        spans = []
        for steps in (1, 2.39e6 / (texts * length)):
            cost = device.train(llm(model), steps, texts * length, context=length, precision="fp32",
                                adapter=Lora(rank, "all-linear"))  # fmt: skip
            ends = np.percentile(cost.seconds / steps, [25, 75])
            spans.append(f"{ends[0]:.1f}-{ends[1]:.1f} s")
        yield f"| {spans[0]} | {spans[1]} |"
