"""Measurements of a user's own, or of a table that was published since: read, checked, and predicted without any fit.

The columns are those of measurements.csv (`devices.measurements`), of which `operation`, `phone_id`, `tokens`,
`published` and `llm` or `params_b` are needed; whatever else is missing has its default. A cell that cannot be read is
an error that names it. A row that the model has no figure for (no phone, an NPU, an unknown LLM) is left out, and
counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from devices.architecture import bytes_per_weight, llm
from devices.basics import UnknownName
from devices.constants import calibrated
from devices.measurements import predict, read_measurements
from devices.memory import RUNTIMES
from devices.phone_files import read_csv
from devices.phones import Phone, find_phone, phones
from devices.rates import BACKENDS, exists_on

UNITS = {
    "train": "s", "train_flops": "s", "prefill": "token/s", "prefill_float": "token/s", "decode": "token/s",
    "prefill_power": "W", "decode_power": "W", "memory": "GB", "fits": "1 = ran, 0 = out of memory",
}  # fmt: skip
"""The operations, and the unit of what is published of each."""
NEEDED = ("operation", "phone_id", "tokens", "published")
DEFAULTS: Mapping[str, str | float] = {
    "row_id": "", "paper": "", "device": "", "backend": "cpu_tuned", "runtime": "", "threads": np.nan, "llm": "",
    "params_b": np.nan, "precision": "fp16", "steps": 1.0, "context": 0.0, "unit": "",
}  # fmt: skip
NUMBERS = ("tokens", "published", "threads", "params_b", "steps", "context")
WITHOUT_LLM, WITHOUT_PHONE = ("train_flops",), ("memory",)
SAME = ("operation", "phone_id", "backend", "llm", "params_b", "precision", "tokens", "published")
"""Columns by which a row is one of those that the constants were fitted to."""


@dataclass(frozen=True)
class Own:
    """Measurements beside the model's figures.

    Attributes: `rows` with the columns of measurements.csv, `predicted`, `ratio` = predicted / published (NaN for
    `fits`), and `fitted`: the row is in measurements.csv too, so the constants knew it; `left_out`, how many rows of
    the file have no figure, by reason.
    """

    rows: pd.DataFrame
    left_out: Mapping[str, int]

    def sentences(self) -> list[str]:
        """What a reader has to know of the rows, a sentence each."""
        said = [f"{count} of the file's rows left out: {reason}." for reason, count in self.left_out.items()]
        if count := int(self.rows.fitted.sum()):
            said.append(f"{count} rows are among those that the constants were fitted to (`fitted`): no test of them.")
        return said


def validate_own(path: Path | str, known: Mapping[str, Phone] | None = None) -> Own:
    """Predict the measurements in a CSV file with the constants as shipped.

    Args:
        known: phones by id; None: the catalogue.
    Raises: ValueError naming file, row and column where a cell cannot be read; OSError.
    """
    path, known = Path(path), known or phones()
    rows, left_out = [], Counter[str]()
    for line, cells in _read(path):
        try:
            row = _checked(cells)
            reason, phone = _unanswered(row, known)
        except ValueError as error:
            raise ValueError(f"{path}: row {line}: {error}") from None
        if reason:
            left_out[reason] += 1
        else:
            named = {"phone": phone, "phone_id": phone.phone_id} if isinstance(phone, Phone) else {"phone": phone}
            rows.append(row | named)
    table = pd.DataFrame(rows, columns=[*DEFAULTS, *NEEDED, "phone"])
    table["predicted"] = predict(table, calibrated())
    table["ratio"] = table.predicted / table.published.where(table.operation != "fits")
    table["fitted"] = _known_before(table)
    return Own(table, dict(left_out))


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Median ratio and error by operation, backend, runtime and `fitted`, over rows and over phones' medians.

    For `fits` the error is the share of rows of which the model says otherwise.
    """
    out = []
    for (operation, backend, runtime, fitted), group in rows.groupby(["operation", "backend", "runtime", "fitted"]):
        ratio, wrong = group.ratio, (group.predicted != group.published).mean()
        fits = operation == "fits"
        out.append({
            "operation": operation, "backend": backend, "runtime": runtime, "fitted": fitted, "rows": len(group),
            "phones": group.phone_id.nunique(), "ratio": ratio.median(),
            "median_error": wrong if fits else (ratio - 1).abs().median(),
            "each_phone_once": np.nan if fits else (ratio - 1).abs().groupby(group.phone_id).median().median(),
            "within_2x": np.nan if fits else float(ratio.between(0.5, 2.0).mean()),
        })  # fmt: skip
    return pd.DataFrame(out)


def _read(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows with their line in the file, where the header is line 1."""
    columns, found = read_csv(path)
    if missing := [name for name in NEEDED if name not in columns]:
        raise ValueError(f"{path}: row 1: column {missing[0]!r} is missing; needed are {', '.join(NEEDED)}")
    if longer := [line for line, row in found if "" in row]:
        raise ValueError(f"{path}: row {longer[0]}: more cells than row 1 has")
    return [(line, {name: (cell or "").strip() for name, cell in row.items()}) for line, row in found]


def _checked(cells: Mapping[str, str]) -> dict[str, object]:
    """A row whose cells are of their kinds, with defaults where they are empty."""
    row: dict[str, object] = {**DEFAULTS, **{name: cell for name, cell in cells.items() if cell}}
    operation = cells["operation"]
    if operation not in UNITS:
        raise UnknownName("operation", operation, UNITS)
    if (unit := cells.get("unit", "")) not in ("", UNITS[operation]):
        raise ValueError(f"unit {unit!r}: of {operation} it is {UNITS[operation]!r}")
    for name in NUMBERS:
        row[name] = _number(name, cells.get(name, ""), DEFAULTS.get(name))
    if operation == "fits" and row["published"] not in (0, 1):
        raise ValueError(f"published {cells['published']!r}: of fits it is 1 (it ran) or 0 (out of memory)")
    bytes_per_weight(str(row["precision"]))
    if row["runtime"] and row["runtime"] not in RUNTIMES:
        raise UnknownName("runtime", str(row["runtime"]), RUNTIMES)
    return row | {"phone_id": cells["phone_id"], "device": row["device"] or cells["phone_id"]}


def _number(column: str, cell: str, default: object) -> float:
    if not cell and isinstance(default, float):
        return default
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    may_be_zero = column in ("published", "context")
    if not np.isfinite(value) or value < 0 or not (value or may_be_zero):
        raise ValueError(f"{column} {cell!r}: a number above 0 is expected")
    if column in ("threads", "steps") and value != int(value):
        raise ValueError(f"{column} {cell!r}: a whole number is expected")
    return value


def _unanswered(row: Mapping[str, object], known: Mapping[str, Phone]) -> tuple[str, str | Phone]:
    """Why the model has no figure for a row, "" where it has; and the phone."""
    phone: str | Phone = ""
    if row["operation"] not in WITHOUT_PHONE:
        if not row["phone_id"]:
            return "no phone_id", ""
        try:
            phone = find_phone(str(row["phone_id"]), known)
        except UnknownName:
            return f"phone {row['phone_id']!r} is not in the catalogue", ""
    if row["backend"] not in BACKENDS:
        return f"backend {row['backend']!r} is not modelled", ""
    if isinstance(phone, Phone) and not exists_on(str(row["backend"]), phone):
        return f"backend {row['backend']!r} exists on iPhones only", ""
    if row["operation"] in WITHOUT_LLM or np.isfinite(float(str(row["params_b"]))):
        return "", phone
    try:
        llm(str(row["llm"]))
    except UnknownName:
        return f"LLM {row['llm']!r} is not known, and params_b is empty", ""
    return "", phone


def _known_before(rows: pd.DataFrame) -> list[bool]:
    """Which rows are those of measurements.csv."""
    before, mine = (
        list(map(tuple, table[list(SAME)].fillna(-1).astype(str).to_numpy())) for table in (read_measurements(), rows)
    )
    known = set(before)
    return [row in known for row in mine]
