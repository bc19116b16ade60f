"""Compares the model's figures with published ones: those that it is fitted to, each held out, and XPerT's."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from devices.architecture import llm
from devices.basics import Floats
from devices.calibrate import predict_held_out
from devices.constants import Constants, calibrated
from devices.device import Device
from devices.measurements import predict, read_measurements

TOKENS = 98
"""Tokens of one of XPerT's texts, and so of a step: the one input that is not published."""
XPERT = {"steps": 1000, "texts": 50, "pool": 28, "ram_gb": 16}
"""The published inputs of the comparison with XPerT."""

LINK = "fp16 LLMs of 2.47 GB on the median Wi-Fi; XPerT's link is unpublished"
STEP = "tokens a step are unpublished; 25 % efficiency was chosen in view of it"
PUBLISHED_BY_XPERT = [
    ("from scratch, time", "min", 97.8, "circular: 98 tokens a text were worked out from this figure"),
    ("from scratch, energy", "kJ", 15.7, "as above, and 60 % power was chosen in view of 2.7 W"),
    ("from scratch, power", "W", 2.68, "60 % power was chosen in view of it"),
    ("exhaustive, computation", "min", 48.3, "28 x 50 of these texts, fp16"),
    ("exhaustive, energy", "kJ", 13.1, "as above"),
    ("exhaustive, download", "min", 75.6, "28 " + LINK),
    ("XPerT, computation", "min", 13.8, "50 of these texts; 8B in fp16 streams from flash"),
    ("XPerT, energy", "kJ", 3.7, "as above"),
    ("XPerT, download", "min", 2.7, "one of the " + LINK),
    ("Pixel 9 Pro, Qwen2-0.5B, a step", "s", 1.0, STEP),
]


@cache
def _validated() -> pd.DataFrame:
    rows = read_measurements()
    rows["predicted_fitted"] = predict(rows, calibrated())
    rows["predicted_without_phone"] = predict_held_out(rows, "phone_id")
    rows["predicted_without_paper"] = predict_held_out(rows, "paper")
    rows["held_out"] = rows.predicted_without_phone.notna()
    rows["predicted"] = rows.predicted_without_phone.fillna(rows.predicted_fitted)
    rows["ratio"] = rows.predicted / rows.published.where(rows.operation != "fits")
    return rows


def validate() -> pd.DataFrame:
    """Every usable measurement with the model's figure.

    Columns of measurements.csv, and: `predicted` (with constants fitted without that phone; where nothing
    would be left to fit to, with the final ones), `held_out` (whether the row's phone took no part in the
    prediction), `ratio` = predicted / published, `predicted_fitted` (final constants),
    `predicted_without_paper`.
    """
    return _validated().copy()


def summary(table: pd.DataFrame | None = None) -> pd.DataFrame:
    """Median absolute errors by operation, backend and runtime: held-out phones, held-out papers, and the final fit.

    An error is |predicted / published - 1|. `held_out_phones` is the median over rows, `each_phone_once` the
    median over phones of their medians, so that a phone with many rows counts no more than one with few.
    `within_2x` is the share of held-out rows within a factor of two.
    """
    rows = validate() if table is None else table
    rows = rows[rows.operation != "fits"]
    out = []
    for (operation, backend, runtime), group in rows.groupby(["operation", "backend", "runtime"]):
        published = group.published.astype(float)
        tested = group[group.held_out]
        out.append({
            "operation": operation, "backend": backend, "runtime": runtime, "rows": len(group),
            "phones": group.phone_id.nunique(), "papers": group.paper.nunique(),
            "held_out_phones": _median_error(tested.ratio),
            "each_phone_once": tested.groupby("phone_id").ratio.agg(_median_error).median(),
            "held_out_papers": _median_error(group.predicted_without_paper / published),
            "fitted": _median_error(group.predicted_fitted / published),
            "within_2x": float(tested.ratio.between(0.5, 2.0).mean()) if len(tested) else np.nan,
        })  # fmt: skip
    return pd.DataFrame(out)


def _median_error(ratios: pd.Series[float]) -> float:
    return float((ratios.dropna() - 1).abs().median())


def by_phone(table: pd.DataFrame | None = None) -> pd.DataFrame:
    """Median ratio predicted / published by operation, backend, paper and phone: where the misses are."""
    rows = validate() if table is None else table
    rows = rows[rows.operation != "fits"]
    keys = ["operation", "backend", "paper", "device"]
    return rows.groupby(keys).agg(rows=("row_id", "size"), ratio=("ratio", "median"),
                                  held_out=("held_out", "all")).reset_index()  # fmt: skip


def xpert_table(
    tokens: float = TOKENS, draws: int = 1000, seed: int = 0, constants: Constants | None = None
) -> pd.DataFrame:
    """XPerT's published costs on a OnePlus 12R (16 GB) beside the model's medians and 5-95 % ranges.

    Nothing is fitted to these rows. `tokens` a text is the one unpublished input, the same in training and in
    selection. `basis` says what each comparison rests on. Each candidate of the exhaustive search finds a
    cold phone: downloads let it cool.
    """
    one_b, judge, half_b = (llm(name) for name in ("llama-3.2-1b", "llama-3.1-8b", "qwen2-0.5b"))
    pool, read, size = XPERT["pool"], XPERT["texts"] * tokens, one_b.weight_bytes("fp16")

    def figures(device: Device, pixel: Device) -> list[Floats]:
        train = device.train(one_b, XPERT["steps"], tokens)
        test = device.evaluate(one_b, read, context=tokens)
        judged = device.prefill(judge, read, context=tokens)
        down_min = device.download(size).seconds / 60
        return [
            train.seconds / 60, train.joules / 1e3, train.joules / train.seconds,
            pool * test.seconds / 60, pool * test.joules / 1e3, pool * down_min,
            judged.seconds / 60, judged.joules / 1e3, down_min,
            pixel.train(half_b, 1, tokens).seconds,
        ]  # fmt: skip

    phone, pixel, ram = "oneplus-12r", "google-pixel-9-pro", float(XPERT["ram_gb"])
    median = figures(*(Device.of(p, ram_gb=ram, constants=constants) for p in (phone, pixel)))
    rng = np.random.default_rng(seed)
    drawn = figures(*(Device.of([p] * draws, ram_gb=ram, rng=rng, constants=constants) for p in (phone, pixel)))
    table = pd.DataFrame(PUBLISHED_BY_XPERT, columns=["quantity", "unit", "published", "basis"])
    table.insert(3, "predicted", [float(value) for value in median])
    table.insert(4, "ratio", table.predicted / table.published)
    table.insert(5, "low", [float(np.quantile(values, 0.05)) for values in drawn])
    table.insert(6, "high", [float(np.quantile(values, 0.95)) for values in drawn])
    return table
