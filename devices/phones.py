"""The catalogue of phones: phones.csv, and the stated rules by which missing figures are filled.

The CSV holds only figures with a source; what could not be traced is an empty cell. `phones()` fills the
empty cells that the cost model needs and says so in `Phone.filled`:

- a numeric figure: the median of the phones of the same tier that have it; for what grows with the years (CPU
  peak, memory, battery) of those released within two years, unless they are fewer than three;
- usable CPU peak: in-order cores count half (`peak.inorder_weight`), as devices.md section 2 found;
- flash: by tier and year (`FLASH_BY_TIER`), for no source names the storage of each phone.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from devices.basics import UnknownName
from devices.constants import stated

CSV = Path(__file__).parent / "phones.csv"
TIERS = ("entry", "low-mid", "mid", "flagship")
NEEDED = ("phone_id", "release_year", "tier")
"""Columns that no row leaves empty."""
FILLED_BY_MEDIAN = (
    "cpu_fp32_peak_gflops", "cpu_fp32_big_mid_gflops", "memory_bandwidth_gb_s", "ram_gb", "battery_wh",
    "cpu_allcore_power_w", "gpu_3dmark_stability_pct",
)  # fmt: skip
NO_TREND = ("cpu_allcore_power_w", "gpu_3dmark_stability_pct")
"""Filled from the whole tier: the recent phones that have these figures are nearly all of one SoC line."""
OPTIONAL_WORDS = ("galaxy", "moto", "snapdragon", "4g", "5g")
"""Words of a phone's name that people leave out, as they do with the brand."""
FLASH_BY_TIER: dict[str, tuple[tuple[int, str], ...]] = {
    # from this release year on; an assumption from what was usual in the tier
    "entry": ((0, "emmc_5_1"), (2024, "ufs_2")),
    "low-mid": ((0, "emmc_5_1"), (2020, "ufs_2")),
    "mid": ((0, "ufs_2"), (2023, "ufs_3")),
    "flagship": ((0, "ufs_2"), (2020, "ufs_3"), (2023, "ufs_4")),
}


@dataclass(frozen=True)
class Phone:
    """One phone. Units are in the names; `ram_gb` is the smallest variant sold, `ram_options_gb` all of them.

    `filled` names the fields that have no source and were filled by rule. Measured LLM powers are facts for
    the reader and for validation; the cost model does not use them. None where unknown and not filled.
    """

    phone_id: str
    brand: str
    model: str
    os: str
    release_year: int
    tier: str
    soc: str
    cpu_clusters: str
    cpu_fp32_peak_gflops: float
    cpu_fp32_big_mid_gflops: float
    cpu_peak_derivation: str
    gpu_name: str
    gpu_fp32_peak_gflops: float | None
    memory_bandwidth_gb_s: float
    ram_gb: float
    ram_options_gb: tuple[float, ...]
    battery_wh: float
    cpu_allcore_power_w: float
    llm_prefill_power_w: float | None
    llm_decode_power_w: float | None
    llm_training_power_w: float | None
    gpu_3dmark_stability_pct: float
    wifi: str
    cellular: str
    source_urls: str
    notes: str
    flash: str
    filled: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Brand and model, as people say it."""
        return f"{self.brand} {self.model}"

    @property
    def cpu_scale_gflops(self) -> float:
        """CPU peak by which phones are compared: in-order cores count `peak.inorder_weight` of theirs."""
        weight = stated()["peak.inorder_weight"]
        clusters = self.cpu_clusters.replace("Cortex-", "")
        if clusters and not any(core not in ("A53", "A55") for core in _cores(clusters)):
            return weight * self.cpu_fp32_peak_gflops
        big = self.cpu_fp32_big_mid_gflops
        return big + weight * (self.cpu_fp32_peak_gflops - big)

    def threads_share(self, threads: int | None) -> float:
        """The share of `cpu_scale_gflops` that software can use with this many threads, one a core.

        The fastest cores are taken. None means all of them. Where the cores are not known (their derivation
        is empty) eight equal ones are assumed.
        """
        if threads is None:
            return 1.0
        weight, big = stated()["peak.inorder_weight"], self.cpu_fp32_big_mid_gflops
        cores: list[float] = []
        for count, ghz, flop in re.findall(r"(\d+)\*([\d.]+)\*([\d.]+)", self.cpu_peak_derivation):
            little = sum(cores) > big - 0.1  # clusters are listed from big to little
            cores += [float(ghz) * float(flop) * (weight if little else 1.0)] * int(count)
        cores = sorted(cores or [1.0] * 8, reverse=True)
        return sum(cores[:threads]) / sum(cores)

    @property
    def has_5g(self) -> bool:
        """Whether its modem reaches 5G networks."""
        return "5G" in self.cellular


def _cores(clusters: str) -> Iterable[str]:
    """Core types of "4x2.5 GHz A75 + 4x1.6 GHz A55"."""
    return [part.split("GHz")[-1].split()[0] for part in clusters.split("+") if "GHz" in part]


def read_phones(path: str | Path = CSV) -> dict[str, Phone]:
    """Phones by id from a CSV with the columns of phones.csv, empty cells filled from the catalogue's phones.

    Use it for a phone of your own: one row with phone_id, release_year and tier is enough. Raises ValueError
    naming the file, the row and the column at fault.
    """
    rows = _rows(Path(path))
    known = [row for _, row in (rows if Path(path) == CSV else _rows(CSV))]
    found: dict[str, Phone] = {}
    for line, row in rows:
        where = f"{path}: row {line} ({row['phone_id'] or 'unnamed'})"
        try:
            phone = _phone(row, known)
        except ValueError as error:
            raise ValueError(f"{where}, column {error}") from error
        if phone.phone_id in found:
            raise ValueError(f"{where}, column phone_id: appears twice")
        found[phone.phone_id] = phone
    return found


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows with their line in the file, where the header is line 1."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            rows = [(reader.line_num, row) for row in reader]
            columns = reader.fieldnames or []
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: no CSV in UTF-8: {error}") from error
    if missing := [name for name in NEEDED if name not in columns]:
        raise ValueError(f"{path}: row 1, column {missing[0]}: is missing")
    if path != CSV:
        with CSV.open(encoding="utf-8") as file:
            allowed = [*next(csv.reader(file)), "flash"]
        if unknown := [name for name in columns if name not in allowed]:
            raise ValueError(f"{path}: row 1, column {unknown[0]!r}: is none of those of phones.csv")
    if not rows:
        raise ValueError(f"{path}: no phone in it")
    if longer := [line for line, row in rows if "" in row]:
        raise ValueError(f"{path}: row {longer[0]}, column {len(columns) + 1}: has no name in row 1")
    return [(line, {name: value.strip() for name, value in row.items()}) for line, row in rows]


def _phone(row: Mapping[str, str], known: list[dict[str, str]]) -> Phone:
    """Raises ValueError beginning with the column at fault."""
    if not row["phone_id"] or row["phone_id"] == "market" or set(row["phone_id"]) & set(",:"):
        raise ValueError(f"phone_id: {row['phone_id']!r} cannot name a phone")
    if row["tier"] not in TIERS:
        raise ValueError(f"tier: {row['tier']!r} is none of {', '.join(TIERS)}")
    if not row["release_year"].isdecimal():
        raise ValueError(f"release_year: {row['release_year']!r} is no year")
    year = int(row["release_year"])
    figures = {name: _figure(name, row[name]) if row.get(name) else None for name in _numeric_fields()}
    filled = set() if row.get("flash") else {"flash"}
    for name in FILLED_BY_MEDIAN:
        if figures[name] is None:
            figures[name] = _median_of_peers(name, row["tier"], year, known)
            filled.add(name)
    _match_peaks(figures, filled)
    options = tuple(_figure("ram_options_gb", part) for part in row.get("ram_options_gb", "").split("/") if part)
    flash = row.get("flash") or [kind for since, kind in FLASH_BY_TIER[row["tier"]] if year >= since][-1]
    if f"flash.{flash}" not in stated():
        raise ValueError(f"flash: {flash!r} is none of {', '.join(stated().under('flash'))}")
    if any(not part.split("GHz")[-1].strip() for part in row.get("cpu_clusters", "").split("+") if "GHz" in part):
        raise ValueError(f"cpu_clusters: {row['cpu_clusters']!r} is not of the form '4x2.5 GHz A75 + 4x1.6 GHz A55'")
    text = {f.name: row.get(f.name, "") for f in fields(Phone) if f.type == "str"} | {"flash": flash}
    values: dict[str, Any] = {**text, **figures, "release_year": year, "ram_options_gb": options}
    return Phone(**values, filled=frozenset(filled))


def _figure(name: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"{name}: {cell!r} is no number") from None
    if not 0 < value < math.inf:
        raise ValueError(f"{name}: {cell} must be above 0")
    return value


def _match_peaks(figures: dict[str, float | None], filled: set[str]) -> None:
    """Big and mid cores are no faster than all cores: a stated figure limits the one that was filled."""
    every, big = "cpu_fp32_peak_gflops", "cpu_fp32_big_mid_gflops"
    if (figures[big] or 0) > (figures[every] or 0):
        if not {every, big} & filled:
            raise ValueError(f"{big}: {figures[big]:g} is above {every}, {figures[every]:g}")
        wrong, right = (big, every) if big in filled else (every, big)
        figures[wrong] = figures[right]


def _numeric_fields() -> list[str]:
    return [f.name for f in fields(Phone) if f.type in ("float", "float | None")]


def _median_of_peers(column: str, tier: str, year: int, known: list[dict[str, str]]) -> float:
    peers = [r for r in known if r["tier"] == tier and r[column].strip()]
    near = [r for r in peers if abs(int(r["release_year"]) - year) <= 2]
    chosen = near if len(near) >= 3 and column not in NO_TREND else peers or [r for r in known if r[column].strip()]
    return median(float(r[column]) for r in chosen)


@cache
def phones() -> dict[str, Phone]:
    """The catalogue: every phone of phones.csv by its id, missing figures filled and marked."""
    return read_phones()


def find_phone(name: str, known: Mapping[str, Phone] | None = None) -> Phone:
    """A phone by its id or by what people call it: "Samsung Galaxy S23", "galaxy s23", "S23", "iphone15pro".

    Case, spaces and hyphens do not matter; the brand and words such as "Galaxy" or "5G" may be left out.
    `known`: phones by id; default: the catalogue. Raises UnknownName with the nearest names, also where
    several phones have the name ("12").
    """
    known = phones() if known is None else known
    if name in known:
        return known[name]
    wanted = _words(name)
    found = [phone for phone in known.values() if _is_called(phone, wanted)]
    if len(found) == 1:
        return found[0]
    short = {i.removeprefix(f"{phone.brand.lower()}-"): i for i, phone in known.items()}
    close = get_close_matches("-".join(wanted), [*known, *short], n=3, cutoff=0.5)
    several = [phone.phone_id for phone in found]
    raise UnknownName("phone", name, known, several or dict.fromkeys(short.get(i, i) for i in close))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _is_called(phone: Phone, wanted: list[str]) -> bool:
    """Whether these words are the phone's name or id, in any order, or written as one, optional words or not."""
    for words in (_words(phone.name), _words(phone.phone_id)):
        needed = [word for word in words if word not in (*_words(phone.brand), *OPTIONAL_WORDS)] or words
        as_one = ("".join(words), "".join(needed), "".join(_words(phone.model)))
        if wanted and ("".join(wanted) in as_one or set(needed) <= set(wanted) <= set(words)):
            return True
    return False
