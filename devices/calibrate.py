"""Fits the free constants of the cost model to published measurements, and tests them on what was left out.

A free constant is a rate or a power, one for each (operation, software backend). It is fitted so that the
model is right for the middle phone-row: for every phone the median of ln(published / predicted) over its
rows, then the mean over phones, is zero. So a phone with a hundred rows weighs as much as one with three.
The log-sd is the standard deviation of those medians between phones.

`headstart devices calibrate` redoes the fit and writes calibration.json with the date and the data's hash.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TypedDict

import numpy as np
import pandas as pd

from devices.constants import CALIBRATION, Constants, stated
from devices.measurements import IN_SECONDS, data_sha256, predict, read_measurements

FREE: dict[str, tuple[str, str]] = {
    # constant: the (operation, backend) whose rows it is fitted to
    "train.gpu_llamacpp": ("train", "gpu_llamacpp"),
    "train.cpu_generic": ("train_flops", "cpu_generic"),
    "prefill.cpu_tuned": ("prefill", "cpu_tuned"),
    "prefill.cpu_tuned_float": ("prefill_float", "cpu_tuned"),
    "prefill.gpu_llamacpp": ("prefill", "gpu_llamacpp"),
    "decode.cpu_tuned": ("decode", "cpu_tuned"),
    "decode.gpu_llamacpp": ("decode", "gpu_llamacpp"),
    "power.prefill": ("prefill_power", "cpu_tuned"),
    "power.decode": ("decode_power", "cpu_tuned"),
}
ROUNDS, CLOSE_ENOUGH = 6, 1e-4
"""Fixed-point rounds: the constant is not quite proportional to the figure (memory roof, throttling)."""


class Fitted(TypedDict):
    """One fitted constant as calibration.json has it: value, spread, and what it rests on."""

    value: float
    log_sd: float
    unit: str
    rows: int
    phones: int
    papers: list[str]


class Calibration(TypedDict):
    """The content of calibration.json: the date, the hash of measurements.csv, and the constants by name."""

    date: str
    data_sha256: str
    constants: dict[str, Fitted]


def rows_of(constant: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The measurements that a free constant is fitted to."""
    operation, backend = FREE[constant]
    return rows[(rows.operation == operation) & (rows.backend == backend)]


def fit_constant(constant: str, rows: pd.DataFrame, start: Constants) -> tuple[float, float, int]:
    """Value, log-sd between phones, and number of phones, from the rows of one free constant.

    With rows of fewer than two phones the log-sd stays as stated. Raises ValueError without rows.
    """
    if rows.empty:
        raise ValueError(f"no measurements to fit {constant} to")
    value, log_sd = start[constant], start.of(constant).log_sd
    sign = -1.0 if FREE[constant][0] in IN_SECONDS else 1.0  # a higher rate shortens times and raises tokens/s
    for _ in range(ROUNDS):
        predicted = predict(rows, start.having({constant: (value, log_sd)}))
        ratios = pd.Series(np.log(rows.published.astype(float) / predicted), index=rows.index)
        errors = ratios.groupby(rows.phone_id).median()
        value *= float(np.exp(sign * errors.mean()))
        if abs(errors.mean()) < CLOSE_ENOUGH:
            break
    return value, float(errors.std(ddof=1)) if len(errors) > 1 else log_sd, len(errors)


def fit_constants(rows: pd.DataFrame, start: Constants | None = None) -> Constants:
    """The constants with every free one fitted to `rows`; one without rows stays as stated."""
    start = start or stated()
    fitted = {}
    for constant in FREE:
        if not (mine := rows_of(constant, rows)).empty:
            fitted[constant] = fit_constant(constant, mine, start)[:2]
    return start.having(fitted)


def predict_held_out(rows: pd.DataFrame, by: str) -> pd.Series[float]:
    """The model's figure for each row, by constants fitted without its phone (by="phone_id") or paper (by="paper").

    NaN where nothing is left to fit to, or where the row's operation has no free constant.
    """
    predictions = pd.Series(np.nan, index=rows.index)
    for constant in FREE:
        mine = rows_of(constant, rows)
        for _, left_out in mine.groupby(by):
            others = mine[mine[by] != left_out[by].iloc[0]]
            if not others.empty:
                value, log_sd, _n = fit_constant(constant, others, stated())
                predictions.loc[left_out.index] = predict(left_out, stated().having({constant: (value, log_sd)}))
    return predictions


def calibrate(path: str | Path = CALIBRATION, today: date | None = None) -> Calibration:
    """Fit on all measurements and write the result; returns what was written."""
    rows = read_measurements()
    constants: dict[str, Fitted] = {}
    for constant in FREE:
        mine = rows_of(constant, rows)
        value, log_sd, n_phones = fit_constant(constant, mine, stated())
        constants[constant] = {
            "value": float(f"{value:.4g}"), "log_sd": float(f"{log_sd:.3g}"),
            "unit": stated().of(constant).unit, "rows": len(mine), "phones": n_phones,
            "papers": sorted(mine.paper.unique()),
        }  # fmt: skip
    result: Calibration = {
        "date": (today or date.today()).isoformat(),
        "data_sha256": data_sha256(),
        "constants": constants,
    }
    Path(path).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result
