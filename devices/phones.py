"""The catalogue of phones: phones.csv, and the stated rules by which missing figures are filled.

The CSV holds only figures with a source; what could not be traced is an empty cell. `phones()` fills the
empty cells that the cost model needs and says so in `Phone.filled`:

- a numeric figure: the median of the phones of the same tier that have it; for what grows with the years (CPU
  peak, memory, battery) of those released within two years, unless they are fewer than three;
- a battery's energy, where only its charge is stated: at 3.87 V, as in the catalogue; memory, where only the variants
  are: the smallest;
- usable CPU peak: in-order cores count half (`peak.inorder_weight`), as devices.md section 2 found;
- flash: by tier and year (`FLASH_BY_TIER`), for no source names the storage of each phone.
"""

from __future__ import annotations

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
from devices.phone_files import CSV, LIMITS, YEARS, check_cores, clusters, figure, read_rows

TIERS = ("entry", "low-mid", "mid", "flagship")
FILLED_BY_MEDIAN = (
    "cpu_fp32_peak_gflops", "cpu_fp32_big_mid_gflops", "memory_bandwidth_gb_s", "ram_gb", "battery_wh",
    "cpu_allcore_power_w", "gpu_3dmark_stability_pct",
)  # fmt: skip
NO_TREND = ("cpu_allcore_power_w", "gpu_3dmark_stability_pct")
"""Filled from the whole tier: the recent phones that have these figures are nearly all of one SoC line."""
BATTERY_V = 3.87
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
        for count, gflops in clusters(self.cpu_peak_derivation):
            little = sum(cores) > big - 0.1  # clusters are listed from big to little
            cores += [gflops * (weight if little else 1.0)] * count
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
    rows = read_rows(Path(path))
    known = [row for _, row in (rows if Path(path) == CSV else read_rows(CSV))]
    found: dict[str, Phone] = {}
    taken: set[str] = set()
    for line, row in rows:
        where = f"{path}: row {line} ({row['phone_id'] or 'unnamed'})"
        try:
            phone = _phone(row, known)
        except ValueError as error:
            raise ValueError(f"{where}, column {error}") from error
        if phone.phone_id.lower() in taken:
            raise ValueError(f"{where}, column phone_id: appears twice")
        taken.add(phone.phone_id.lower())
        found[phone.phone_id] = phone
    return found


def _phone(row: Mapping[str, str], known: list[dict[str, str]]) -> Phone:
    """Raises ValueError beginning with the column at fault."""
    name = row["phone_id"]
    if not name or name == "market" or set(name) & set(",:") or not name.isprintable():
        raise ValueError(f"phone_id: {name!r} cannot name a phone")
    if row["tier"] not in TIERS:
        raise ValueError(f"tier: {row['tier']!r} is none of {', '.join(TIERS)}")
    if row["release_year"] not in map(str, YEARS):
        raise ValueError(f"release_year: {row['release_year']!r} is no year from {YEARS[0]} to {YEARS[-1]}")
    year = int(row["release_year"])
    figures = {column: figure(column, row[column]) if row.get(column) else None for column in LIMITS}
    options = tuple(
        figure("ram_gb", part, "ram_options_gb") for part in row.get("ram_options_gb", "").split("/") if part
    )
    if options and min(options) < (figures["ram_gb"] or 0):
        raise ValueError(f"ram_options_gb: {min(options):g} is below ram_gb, {figures['ram_gb']:g}")
    _, charge = figures.pop("gpu_fp16_peak_gflops"), figures.pop("battery_mah")
    figures["battery_wh"] = figures["battery_wh"] or (charge and charge * BATTERY_V / 1000)
    figures["ram_gb"] = figures["ram_gb"] or min(options, default=None)
    filled = set() if row.get("flash") else {"flash"}
    for column in FILLED_BY_MEDIAN:
        if figures[column] is None:
            figures[column] = _median_of_peers(column, row["tier"], year, known)
            filled.add(column)
    _match_peaks(figures, filled)
    flash = row.get("flash") or [kind for since, kind in FLASH_BY_TIER[row["tier"]] if year >= since][-1]
    if f"flash.{flash}" not in stated():
        raise ValueError(f"flash: {flash!r} is none of {', '.join(stated().under('flash'))}")
    check_cores(row)
    text = {f.name: row.get(f.name, "") for f in fields(Phone) if f.type == "str"} | {"flash": flash}
    values: dict[str, Any] = {**text, **figures, "release_year": year, "ram_options_gb": options}
    return Phone(**values, filled=frozenset(filled))


def _match_peaks(figures: dict[str, float | None], filled: set[str]) -> None:
    """Big and mid cores are no faster than all cores: a stated figure limits the one that was filled."""
    every, big = "cpu_fp32_peak_gflops", "cpu_fp32_big_mid_gflops"
    if (figures[big] or 0) > (figures[every] or 0):
        if not {every, big} & filled:
            raise ValueError(f"{big}: {figures[big]:g} is above {every}, {figures[every]:g}")
        wrong, right = (big, every) if big in filled else (every, big)
        figures[wrong] = figures[right]


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
