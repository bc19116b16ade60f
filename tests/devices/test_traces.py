"""What a trace file may say wrongly: refused with client and line, or put right, counted and said."""

from __future__ import annotations

import json
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from devices import Trace, read_trace

NIGHT = [
    "2020-03-01 22:00:00\tbattery_charged_on",
    "2020-03-01 22:05:00\twifi",
    "2020-03-01 22:10:00\tscreen_lock",
    "2020-03-02 06:00:00\tscreen_unlock",
    "2020-03-02 06:05:00\tbattery_charged_off",
]
FINE = {"active": [0, 600], "inactive": [300, 900], "finish_time": 1000}


def flash(*lines: str) -> dict[str, Any]:
    return {"guid": "u", "model": "m", "messages": "\n".join(lines)}


def read(folder: Path, clients: object) -> Trace:
    path = folder / "trace.json"
    path.write_text(json.dumps(clients))
    return read_trace(path)


def refused(folder: Path, clients: object) -> str:
    with pytest.raises(ValueError, match=r"trace\.json") as caught:
        read(folder, clients)
    return str(caught.value)


def available_h(trace: Trace) -> list[float]:
    return list((trace.ends - trace.starts).sum(axis=1) / 3600)


@pytest.mark.parametrize("order", [[3, 4, 0, 1, 2], [0, 2, 1, 3, 4], [4, 3, 2, 1, 0]])
def test_lines_out_of_order_are_sorted_and_counted(tmp_path: Path, order: list[int]) -> None:
    before = read(tmp_path, {"u": flash(*NIGHT)})
    trace = read(tmp_path, {"u": flash(*(NIGHT[i] for i in order))})
    assert (before.remarks, available_h(trace)) == ((), available_h(before))
    steps = sum(b < a for a, b in pairwise(order))
    assert trace.remarks == (
        f"{tmp_path / 'trace.json'}: lines earlier than the line before them, which were sorted: {steps}, "
        "in 1 of 1 clients (first 'u').",
    )


def test_a_phone_that_is_switched_off_is_not_available(tmp_path: Path) -> None:
    off, on = "2020-03-02 01:00:00\tphone_off", "2020-03-02 04:00:00\tphone_on"
    trace = read(tmp_path, {"u": flash(*NIGHT[:3], off, on, *NIGHT[3:])})
    assert available_h(trace) == pytest.approx([2 + 50 / 60 + 2])
    assert trace.remarks == ()
    trace = read(tmp_path, {"u": flash(*NIGHT[:3], off, *NIGHT[3:])})
    assert available_h(trace) == pytest.approx([2 + 50 / 60])
    assert "lines of a phone that is switched off, which counts as off until phone_on: 2" in trace.remarks[0]


def test_clients_that_are_never_available_are_counted(tmp_path: Path) -> None:
    trace = read(tmp_path, {"a": flash(*NIGHT), "b": flash(), "c": flash(*NIGHT[:2])})
    assert np.isinf(trace.hours_until_done(60.0)).tolist() == [False, True, True]
    assert "clients that are never available: 2, in 2 of 3 clients (first 'b')." in trace.remarks[0]


def test_windows_beyond_the_end_are_cut_and_counted(tmp_path: Path) -> None:
    late = {"active": [0, 600, 2000], "inactive": [300, 1900, 3000], "finish_time": 1000}
    trace = read(tmp_path, {"a": FINE, "b": late})
    assert trace.ends[1].tolist() == [300, 1000]
    assert "windows that reach beyond finish_time, which were cut there: 2, in 1 of 2 clients" in trace.remarks[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2020-03-01 22:05:00\tWi-Fi", "unknown state 'Wi-Fi'; nearest: wifi"),
        ("2020-03-01 22:05:00\tbattery_charged", "unknown state 'battery_charged'"),
        ("2020-03-01 22:05:00\t", "unknown state ''"),
        ("2020-03-01 22:05:00 wifi", "no time such as"),
        ("1583100300000\twifi", "'1583100300000' is no time such as"),
        ("2020-02-30 22:05:00\twifi", "no time such as"),
        ("2031-03-01 22:05:00\twifi", "lines over a year apart"),
    ],
)
def test_a_bad_line_is_refused_with_its_client(tmp_path: Path, line: str, said: str) -> None:
    refusal = refused(tmp_path, {"a": flash(*NIGHT), "b": flash(NIGHT[0], "", line)})
    assert said in refusal
    assert "client 'b': " in refusal
    assert "line 3: " in refusal or "apart" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inactive": [300]}, "2 times in 'active' and 1 in 'inactive'"),
        ({"active": [0, 200]}, "active[1] = 200 is earlier than the time before it, 300"),
        ({"active": [0, 0], "inactive": [300, 300]}, "active[1] = 0 is earlier"),
        ({"inactive": [300, 500]}, "inactive[1] = 500 is earlier than the time before it, 600"),
        ({"active": [-5, 600]}, "active[0] is no number of seconds"),
        ({"active": [float("nan"), 600]}, "active[0] is no number of seconds"),
        ({"inactive": [300, float("inf")]}, "inactive[1] is no number of seconds"),
        ({"active": ["0", "600"]}, "active[0] is a str"),
        ({"active": [True, 600]}, "active[0] is a bool"),
        ({"active": 0}, "'active' is a int, not a list of times"),
        (
            {"finish_time": 518_400_000},
            "finish_time is no number of seconds from 0 to a year (are these milliseconds?)",
        ),
        ({"finish_time": None}, "finish_time is a NoneType"),
        ({"finish_time": 10**400}, "finish_time is no number"),
    ],
)
def test_bad_times_are_refused_with_their_client(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    refusal = refused(tmp_path, {"a": FINE, "b": FINE | change})
    assert "client 'b': " in refusal
    assert said in refusal


@pytest.mark.parametrize(
    ("clients", "said"),
    [
        ([], "expected clients by id, not a list (empty)"),
        ({}, "not a dict (empty)"),
        ("text", "not a str"),
        ({"a": [1]}, "client 'a' is a list, not an object"),
        ({"a": {"messages": ["2020"]}}, "client 'a': 'messages' is a list"),
        ({"a": FINE, "b": flash(*NIGHT)}, "client 'b': another format"),
        ({"a": FINE | flash(*NIGHT)}, "client 'a': both"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, clients: object, said: str) -> None:
    assert said in refused(tmp_path, clients)


def test_a_client_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(f'{{"a": {json.dumps(FINE)}, "a": {json.dumps(FINE)}}}')
    with pytest.raises(ValueError, match="'a' is there twice"):
        read_trace(path)
    path = tmp_path / "trace.pkl"
    path.write_bytes(pickle.dumps({1: FINE, "1": FINE}))
    with pytest.raises(ValueError, match="client '1' is there twice"):
        read_trace(path)
