"""When real phones could work: availability traces in FLASH's and in FedScale's format, checked as they are read.

FLASH (JSON): a client's state changes as lines of text, "2020-03-01 22:05:00<tab>wifi"; the phone is available while it
is locked, charging, on Wi-Fi and not switched off. FedScale (pickle or JSON): lists of times, in seconds from 0 to
`finish_time`, at which a client becomes `active` and `inactive`.

What would be believed wrongly is refused with the client and its line or place in a list. What has one plain reading
is read so, counted, and said in `Trace.remarks`.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from devices.availability import DAY_S, Availability
from devices.basics import UnknownName, once

LONGEST_S = 366 * DAY_S
"""The longest trace that is believed. A longer one is in milliseconds, since 1970, or has a clock that was set."""
SHORTEST_S = 1e-3
"""A window that is no longer is none."""
STAMP = "%Y-%m-%d %H:%M:%S"
NETWORKS = ("wifi", "2g", "3g", "4g", "5g", "unknown")
ELSE = ("battery_low", "battery_okay", "screen_on", "screen_off")
"""States of FLASH that do not decide whether a phone is available; so does the battery's level, as "57%"."""
STATES = (
    *("battery_charged_on", "battery_charged_off", "screen_lock", "screen_unlock", "phone_on", "phone_off"),
    *NETWORKS,
    *ELSE,
)

Windows = list[tuple[float, float]]
Count = Callable[[str, int], None]
"""Takes what was found in a client's entry, in words, and how often."""
Reader = Callable[[Mapping[str, object], Count], tuple[Windows, float]]
"""Makes windows and period, in seconds, of a client's entry."""


@dataclass(frozen=True)
class Trace(Availability):
    """The phones of a file. `remarks` say what was put right in reading it, and what should be known of it."""

    remarks: tuple[str, ...] = ()


def read_trace(path: str | Path) -> Trace:
    """The phones of a trace file; whether it is FLASH's or FedScale's is told from the content.

    Times count from midnight of the first day (FLASH), or as they are given (FedScale). Pickles are read without
    running any code.

    Raises: ValueError naming the file, and the client and line at fault; OSError where it cannot be opened.
    """
    path = Path(path)
    found: dict[str, list[tuple[str, int]]] = {}
    windows: list[Windows] = []
    periods: list[float] = []
    clients = _clients(path)
    reader: Reader | None = None
    for client, entry in clients.items():
        count = _counter(found, client)
        try:
            reader = _reader(entry, reader)
            phone, period = reader(entry, count)
        except ValueError as error:
            raise ValueError(f"{path}: client {client!r}: {error}") from None
        if not phone:
            count("clients that are never available", 1)
        windows.append(phone)
        periods.append(period)
    longest = max(1, *map(len, windows))
    edges = np.array([[*w, *[(p, p)] * (longest - len(w))] for w, p in zip(windows, periods, strict=True)])
    remarks = [
        f"{path}: {what}: {sum(n for _, n in some):,}, in {len(some):,} of {len(clients):,} clients (first "
        f"{some[0][0]!r})."
        for what, some in found.items()
    ]
    return Trace(edges[:, :, 0], edges[:, :, 1], np.array(periods), tuple(remarks))


def _counter(found: dict[str, list[tuple[str, int]]], client: str) -> Count:
    def count(what: str, times: int) -> None:
        if times:
            found.setdefault(what, []).append((client, times))

    return count


# ---------------------------------------------------------------- the file


def _clients(path: Path) -> dict[str, Mapping[str, object]]:
    """The entries of a file by client."""
    with path.open("rb") as file:
        try:
            content = json.load(file, object_pairs_hook=once) if path.suffix == ".json" else _Plain(file).load()
        except Exception as error:  # a broken pickle raises anything
            kind = "JSON" if path.suffix == ".json" else "pickle of plain data (JSON needs a name in .json)"
            raise ValueError(f"{path}: no {kind}: {error}") from error
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path}: expected clients by id, not {_what(content)}")
    clients: dict[str, Mapping[str, object]] = {}
    for client, entry in content.items():
        if not (isinstance(client, str) or (isinstance(client, int) and abs(client) < 1e18)):
            raise ValueError(f"{path}: a client's id is neither text nor a number")
        if str(client) in clients:
            raise ValueError(f"{path}: client {str(client)!r} is there twice")
        if not isinstance(entry, dict):
            raise ValueError(f"{path}: client {str(client)!r} is {_what(entry)}, not an object")
        clients[str(client)] = entry
    return clients


class _Plain(pickle.Unpickler):
    """Reads pickles of plain dicts, lists, strings and numbers; refuses what would import code."""

    def find_class(self, module: str, name: str) -> Any:
        raise ValueError(f"the pickle wants to import {module}.{name}; only plain data is read")


def _what(value: object) -> str:
    """A value in words, for messages."""
    empty = " (empty)" if isinstance(value, dict | list | str) and not value else ""
    return f"a {type(value).__name__}{empty}"


def _reader(entry: Mapping[str, object], before: Reader | None) -> Reader:
    """What reads an entry, which is in the format of the entries before it."""
    flash, fedscale = "messages" in entry, {"active", "inactive", "finish_time"} <= set(entry)
    if flash == fedscale:
        neither = "neither 'messages' (FLASH) nor" if not flash else "both 'messages' (FLASH) and"
        raise ValueError(f"{neither} 'active', 'inactive' and 'finish_time' (FedScale)")
    reader = _flash if flash else _fedscale
    if before not in (None, reader):
        raise ValueError("another format (FLASH's, FedScale's) than that of the clients before it")
    return reader


# ---------------------------------------------------------------- the two formats


def _flash(entry: Mapping[str, object], count: Count) -> tuple[Windows, float]:
    """Windows and period of a client's lines of text, from midnight of the first day."""
    events = _events(entry["messages"])
    count("lines earlier than the line before them, which were sorted", _steps_back(events))
    events.sort(key=lambda event: event[0])
    if not events:
        return [], DAY_S
    midnight = events[0][0].replace(hour=0, minute=0, second=0)
    on, charging, wifi, locked = True, False, False, False
    opened: float | None = None
    windows: Windows = []
    now, while_off = 0.0, 0
    for when, state in events:
        now = (when - midnight).total_seconds()
        if now > LONGEST_S:
            raise ValueError(f"lines over a year apart, from {events[0][0]} to {when}")
        if state in ("phone_on", "phone_off"):
            on = state == "phone_on"
        elif state in ("battery_charged_on", "battery_charged_off"):
            charging = state == "battery_charged_on"
        elif state in NETWORKS:
            wifi = state == "wifi"
        elif state in ("screen_lock", "screen_unlock"):
            locked = state == "screen_lock"
        while_off += not on and state != "phone_off"
        if on and charging and wifi and locked:
            opened = now if opened is None else opened
        elif opened is not None:
            windows.append((opened, now))
            opened = None
    if opened is not None:
        windows.append((opened, now))
    count("lines of a phone that is switched off, which counts as off until phone_on", while_off)
    return [(a, b) for a, b in windows if b > a], max(1.0, np.ceil(now / DAY_S)) * DAY_S


def _events(messages: object) -> list[tuple[datetime, str]]:
    """Time and state of each line."""
    if not isinstance(messages, str):
        raise ValueError(f"'messages' is {_what(messages)}, not lines of text")
    events = []
    for number, line in enumerate(messages.splitlines(), start=1):
        if not line.strip():
            continue
        stamp, _, state = (part.strip() for part in line.strip().partition("\t"))
        try:
            when = datetime.strptime(stamp, STAMP)
        except ValueError:
            raise ValueError(f"line {number}: {stamp[:40]!r} is no time such as 2020-03-01 22:05:00") from None
        try:
            events.append((when, _state(state)))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return events


def _state(written: str) -> str:
    """A state as `STATES` has it, or the battery's level. Raises ValueError."""
    state = written.lower()
    level = state.removesuffix("%")
    if state not in STATES and not (state.endswith("%") and level.replace(".", "", 1).isdecimal()):
        raise UnknownName("state", written, list(STATES))
    return state


def _steps_back(events: list[tuple[datetime, str]]) -> int:
    return sum(later < earlier for (earlier, _), (later, _) in pairwise(events))


def _fedscale(entry: Mapping[str, object], count: Count) -> tuple[Windows, float]:
    """Windows and period of a client's lists of times."""
    period = _seconds(entry["finish_time"], "finish_time")
    if period < 1:
        raise ValueError("finish_time is under a second")
    starts, ends = (_times(entry[key], key) for key in ("active", "inactive"))
    if len(starts) != len(ends):
        raise ValueError(f"{len(starts)} times in 'active' and {len(ends)} in 'inactive'; each start needs its end")
    edges = [edge for window in zip(starts, ends, strict=True) for edge in window]
    for place, (earlier, later) in enumerate(pairwise(edges)):
        if later < earlier:
            name = ("inactive", "active")[place % 2]
            raise ValueError(
                f"{name}[{(place + 1) // 2}] = {later:.15g} is earlier than the time before it, {earlier:.15g}"
            )
    count("windows that reach beyond finish_time, which were cut there", sum(end > period for end in ends))
    cut = [(min(a, period), min(b, period)) for a, b in zip(starts, ends, strict=True)]
    return [(a, b) for a, b in cut if b - a > SHORTEST_S], period


def _times(values: object, key: str) -> list[float]:
    if not isinstance(values, list | tuple):
        raise ValueError(f"{key!r} is {_what(values)}, not a list of times")
    return [_seconds(value, f"{key}[{place}]") for place, value in enumerate(values)]


def _seconds(value: object, where: str) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"{where} is {_what(value)}, not a number of seconds")
    if not 0 <= value <= LONGEST_S:  # type: ignore[operator]
        raise ValueError(f"{where} is no number of seconds from 0 to a year (are these milliseconds?)")
    return float(value)  # type: ignore[arg-type]
