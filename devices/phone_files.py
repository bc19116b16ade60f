"""CSV files of phones: their columns, what cells may hold, and what is refused, named by file, row and column."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

CSV = Path(__file__).parent / "phones.csv"
NEEDED = ("phone_id", "release_year", "tier")
"""Columns that no row leaves empty."""
YEARS = range(2007, 2050)
LIMITS: Mapping[str, tuple[float, float]] = {
    "cpu_fp32_peak_gflops": (5, 10_000), "cpu_fp32_big_mid_gflops": (5, 10_000),
    "gpu_fp32_peak_gflops": (5, 30_000), "gpu_fp16_peak_gflops": (10, 60_000), "memory_bandwidth_gb_s": (1, 300),
    "ram_gb": (0.25, 64), "battery_mah": (500, 30_000), "battery_wh": (1, 100), "cpu_allcore_power_w": (0.1, 60),
    "llm_prefill_power_w": (0.1, 60), "llm_decode_power_w": (0.1, 60), "llm_training_power_w": (0.1, 60),
    "gpu_3dmark_stability_pct": (1, 100),
}  # fmt: skip
"""The columns of figures, and what a phone can have: so wide that only another unit (MB, a share) lies outside."""


def read_csv(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns of a CSV file, and its rows with their line: None where one ends early, "" has what is too much."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", strict=True)
            rows = [(reader.line_num, row) for row in reader]
            return list(reader.fieldnames or []), rows
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: no CSV in UTF-8: {error}") from error


def read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows with their line in the file, where the header is line 1."""
    columns, rows = read_csv(path)
    if missing := [name for name in NEEDED if name not in columns]:
        other = next((mark for mark in ";\t|" if mark in "".join(columns)), "")
        hint = f"; columns are separated by {other!r}, where ',' is expected" if other else ""
        raise ValueError(f"{path}: row 1, column {missing[0]}: is missing{hint}")
    if twice := [name for at, name in enumerate(columns) if name in columns[:at]]:
        raise ValueError(f"{path}: row 1, column {twice[0]!r}: appears twice")
    if path != CSV:
        with CSV.open(encoding="utf-8") as file:
            allowed = [*next(csv.reader(file)), "flash"]
        if unknown := [name for name in columns if name not in allowed]:
            raise ValueError(f"{path}: row 1, column {unknown[0]!r}: is none of those of phones.csv")
    if not rows:
        raise ValueError(f"{path}: no phone in it")
    if longer := [line for line, row in rows if "" in row]:
        raise ValueError(f"{path}: row {longer[0]}, column {len(columns) + 1}: has no name in row 1")
    for line, row in rows:
        if ended := [name for name, value in row.items() if value is None]:
            raise ValueError(
                f"{path}: row {line}, column {ended[0]}: the row ends before it; an empty cell has its comma"
            )
    return [(line, {name: value.strip() for name, value in row.items()}) for line, row in rows]


def figure(column: str, cell: str, said_in: str = "") -> float:
    """A number within the column's limits. Raises ValueError naming the column, or the one where it is said."""
    name, (low, high) = said_in or column, LIMITS[column]
    try:
        value = float(cell) if cell.isascii() and "_" not in cell else None
    except ValueError:
        value = None
    if value is None:
        raise ValueError(f"{name}: {cell!r} is no number such as 8 or 8.5")
    if not value > 0:
        raise ValueError(f"{name}: {cell} must be above 0")
    if not low <= value <= high:
        raise ValueError(f"{name}: {cell} is not from {low:g} to {high:g}; is it in another unit?")
    return value


def check_cores(row: Mapping[str, str]) -> None:
    """Raise ValueError where the text that names the cores cannot be read."""
    if any(not part.split("GHz")[-1].strip() for part in row.get("cpu_clusters", "").split("+") if "GHz" in part):
        raise ValueError(f"cpu_clusters: {row['cpu_clusters']!r} is not of the form '4x2.5 GHz A75 + 4x1.6 GHz A55'")
    try:
        clusters(derivation := row.get("cpu_peak_derivation", ""))
    except ValueError:
        raise ValueError(f"cpu_peak_derivation: {derivation!r} is not of the form '4*2.8*8 + 4*1.77*8'") from None


def clusters(derivation: str) -> list[tuple[int, float]]:
    """Cores, and GFLOP/s of each, in "4*2.8*8 + 4*1.77*8" (cores*GHz*FLOP/cycle). Raises ValueError."""
    found = re.findall(r"([\d.]+)\*([\d.]+)\*([\d.]+)", derivation, re.ASCII)
    cores = [(int(count), float(ghz) * float(flop)) for count, ghz, flop in found]
    if not all(0 < count <= 64 and 0 < gflops <= 1000 for count, gflops in cores):
        raise ValueError("impossible cores")
    return cores
