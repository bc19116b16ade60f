"""The constants of the cost model: read from constants.toml, with the calibrated ones laid over them.

Nothing else in this package holds a number about phones. A constant carries its unit, its source and its
log-sd: the standard deviation of ln(value) between phones, which `Device` draws from.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
CALIBRATION = HERE / "calibration.json"


@dataclass(frozen=True)
class Constant:
    """One number with its unit, source and spread. `free` ones are fitted by `calibrate`."""

    value: float
    unit: str
    source: str
    log_sd: float = 0.0
    free: bool = False


class Constants(Mapping[str, float]):
    """Median values by dotted name (`"train.cpu_tuned"`); `.of(name)` gives the whole `Constant`."""

    def __init__(self, entries: Mapping[str, Constant]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> float:
        return self._entries[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def of(self, name: str) -> Constant:
        """The constant with unit, source, log-sd. Raises KeyError for an unknown name."""
        return self._entries[name]

    def under(self, prefix: str) -> dict[str, Constant]:
        """All constants whose name starts with `prefix.`, by the rest of their name."""
        start = prefix + "."
        return {name[len(start) :]: c for name, c in self._entries.items() if name.startswith(start)}

    def having(self, fitted: Mapping[str, tuple[float, float]]) -> Constants:
        """A copy in which the named constants have another (value, log_sd)."""
        changed = {n: replace(self._entries[n], value=v, log_sd=sd) for n, (v, sd) in fitted.items()}
        return Constants({**self._entries, **changed})


@cache
def stated() -> Constants:
    """The constants as written in constants.toml, before any calibration."""
    tree = tomllib.loads((HERE / "constants.toml").read_text(encoding="utf-8"))
    return Constants(
        {f"{group}.{name}": Constant(**entry) for group, items in tree.items() for name, entry in items.items()}
    )


@cache
def calibrated() -> Constants:
    """The constants that the cost model uses: as stated, with calibration.json laid over them."""
    if not CALIBRATION.exists():
        return stated()
    fit = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    return stated().having({n: (c["value"], c["log_sd"]) for n, c in fit["constants"].items()})
