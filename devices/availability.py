"""When a phone may work: idle, on the charger and on Wi-Fi. Turns busy seconds into hours until done.

The daily model is stated in constants.toml (one window a night, some nights none): an assumption. A trace
of real phones can replace it, in FLASH's format (JSON, state changes as text) or FedScale's (pickle or
JSON, lists of times). Work that a window cuts off goes on in the next one.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from devices.basics import Floats, Numbers
from devices.constants import Constants, stated

DAY_S = 86_400.0


@dataclass(frozen=True)
class Availability:
    """When `n` phones may work: windows from `starts` to `ends` (n, k), seconds from midnight of day 0, in order.

    Phones with fewer windows have empty ones (start = end) at the end. Everything repeats after `period_s`
    (n,).
    """

    starts: Floats
    ends: Floats
    period_s: Floats

    def __len__(self) -> int:
        return len(self.period_s)

    def hours_until_done(self, busy_s: Numbers, released_h: Numbers = 12.0) -> Floats:
        """Hours from release to the end of `busy_s` seconds of work, done only inside the windows.

        `released_h` is the time of release, in hours from midnight of day 0. Shapes broadcast to (n,). 0
        where there is no work, inf for phones that are never available, NaN where `busy_s` is NaN (refused
        work).
        """
        busy = np.broadcast_to(np.asarray(busy_s, dtype=np.float64), len(self))
        first = self.starts[:, 0]  # cycles are counted from the first window, so that none is cut in two
        released = (np.asarray(released_h, dtype=np.float64) * 3600 - first) % self.period_s + first
        lengths = self.ends - self.starts
        upto = np.cumsum(lengths, axis=1)
        cycle = upto[:, -1]
        never = cycle <= 0
        before = np.clip(released[:, None] - self.starts, 0, lengths).sum(axis=1)
        target = before + np.where(np.isnan(busy), 0, busy)  # available seconds since the start of the cycle
        cycles = np.maximum(np.ceil(target / np.where(never, 1, cycle)) - 1, 0)
        rest = target - cycles * cycle
        window = np.argmax(upto >= rest[:, None] - 1e-9, axis=1)
        row = np.arange(len(self))
        end = cycles * self.period_s + self.ends[row, window] - (upto[row, window] - rest)
        hours = np.where(busy > 0, (end - released) / 3600, 0.0)
        return np.where(np.isnan(busy), np.nan, np.where(never & (busy > 0), np.inf, hours))

    def sample(self, n: int, rng: np.random.Generator) -> Availability:
        """`n` phones drawn from these with replacement."""
        chosen = rng.integers(len(self), size=n)
        return Availability(self.starts[chosen], self.ends[chosen], self.period_s[chosen])


def draw_availability(
    n: int, rng: np.random.Generator, days: int = 14, constants: Constants | None = None
) -> Availability:
    """The daily model for `n` phones: each its own usual hour and length, some nights without a window.

    `days` nights are drawn, then they repeat. A phone without a single good night gets its first one.
    """
    c = constants or stated()
    start = c["availability.start_h"] + c["availability.start_sd_h"] * rng.standard_normal(n)
    hours = np.clip(c["availability.hours"] + c["availability.hours_sd"] * rng.standard_normal(n), 0.5, 12.0)
    good = rng.random((n, days)) < c["availability.nights"]
    good[~good.any(axis=1), 0] = True
    starts = np.asarray((start[:, None] + 24.0 * np.arange(days)) * 3600, dtype=np.float64)
    ends = starts + good * hours[:, None] * 3600
    period = np.full(n, days * DAY_S)
    return Availability(starts, ends, period)


def read_trace(path: str | Path) -> Availability:
    """Availability from a trace file in FLASH's or FedScale's format; the format is told from the content.

    FLASH: available = locked, charging and on Wi-Fi; midnight is that of the first day. FedScale: seconds
    as given. Raises ValueError naming the file and the client at fault. Pickles are read without running
    any code.
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            clients = json.load(file) if path.suffix == ".json" else _PlainUnpickler(file).load()
        except Exception as error:  # a broken pickle raises anything
            kind = "JSON" if path.suffix == ".json" else "pickle of plain data (JSON needs a name in .json)"
            raise ValueError(f"{path}: no {kind}: {error}") from error
    if not isinstance(clients, Mapping) or not clients:
        raise ValueError(f"{path}: expected clients by id")
    windows, periods = [], []
    for client, entry in clients.items():
        try:
            found, period = _flash(entry["messages"]) if "messages" in entry else _fedscale(entry)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: client {client!r} is in neither FLASH's nor FedScale's format: {error}"
            ) from error
        windows.append(found)
        periods.append(period)
    longest = max(1, *(len(w) for w in windows)) if windows else 1
    edges = np.array(
        [[*w, *[(p, p)] * (longest - len(w))] for w, p in zip(windows, periods, strict=True)],
        dtype=np.float64,
    )
    return Availability(edges[:, :, 0], edges[:, :, 1], np.array(periods, dtype=np.float64))


class _PlainUnpickler(pickle.Unpickler):
    """Reads pickles of plain dicts, lists, strings and numbers; refuses what would import code."""

    def find_class(self, module: str, name: str) -> Any:
        raise ValueError(f"the pickle wants to import {module}.{name}; only plain data is read")


Windows = Sequence[tuple[float, float]]


def _fedscale(entry: Mapping[str, Any]) -> tuple[Windows, float]:
    period = float(entry["finish_time"])
    if period <= 0:
        raise ValueError("finish_time must be above 0")
    windows = [(float(a), float(b)) for a, b in zip(entry["active"], entry["inactive"], strict=False)]
    return _checked([(min(a, period), min(b, period)) for a, b in windows]), period


def _flash(messages: str) -> tuple[Windows, float]:
    charging = wifi = locked = False
    midnight: datetime | None = None
    opened: float | None = None
    windows: list[tuple[float, float]] = []
    now = 0.0
    for line in filter(str.strip, messages.splitlines()):
        stamp, _, state = line.strip().partition("\t")
        when = datetime.strptime(stamp.strip(), "%Y-%m-%d %H:%M:%S")
        midnight = midnight or when.replace(hour=0, minute=0, second=0)
        now = (when - midnight).total_seconds()
        state = state.strip().lower()
        if state.startswith("battery_charged"):
            charging = state.endswith("_on")
        elif state in ("wifi", "2g", "3g", "4g", "5g", "unknown"):
            wifi = state == "wifi"
        elif state in ("screen_lock", "screen_unlock"):
            locked = state == "screen_lock"
        if charging and wifi and locked:
            opened = now if opened is None else opened
        elif opened is not None:
            windows.append((opened, now))
            opened = None
    if opened is not None:
        windows.append((opened, now))
    return _checked(windows), max(1.0, np.ceil(now / DAY_S)) * DAY_S


def _checked(windows: Windows) -> Windows:
    edges = [edge for window in windows for edge in window]
    if any(b < a for a, b in pairwise(edges)):
        raise ValueError("times run backwards")
    return [(a, b) for a, b in windows if b > a]
