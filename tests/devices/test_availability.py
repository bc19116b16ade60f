"""Busy seconds to hours until done: by hand, against brute force, and from both trace formats."""

import json
import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import Availability, draw_availability, read_trace

NIGHT = Availability(np.array([[3600.0, 7200.0]]), np.array([[5400.0, 9000.0]]), np.array([86_400.0]))
FLASH = """2020-01-31 22:00:00\tbattery_charged_on
2020-01-31 22:10:00\tWIFI
2020-01-31 22:20:00\tscreen_lock
2020-01-31 23:20:00\t4G
2020-01-31 23:30:00\twifi
2020-02-01 00:30:00\tscreen_unlock
2020-02-01 01:00:00\t57%
"""


@pytest.mark.parametrize(
    ("busy_s", "released_h", "hours"),
    [
        (0, 12, 0),
        (600, 0, 1 + 1 / 6),  # inside the first window
        (1800, 1, 0.5),  # exactly the first window
        (1801, 0, 2 + 1 / 3600),  # one second into the second
        (3600, 0, 2.5),
        (3601, 0, 25 + 1 / 3600),  # the next day
        (600, 1.25, 1 / 6),  # released within a window
        (600, 12, 13 + 1 / 6),
        (7200, 0, 26.5),
    ],
)
def test_by_hand(busy_s, released_h, hours):
    assert NIGHT.hours_until_done(busy_s, released_h)[0] == pytest.approx(hours)


@given(st.integers(0, 1000), st.integers(1, 40_000), st.integers(0, 71))
@settings(max_examples=40, deadline=None)
def test_against_brute_force(seed, busy, released):
    phone = draw_availability(1, np.random.default_rng(seed), days=3)
    minute = np.arange(0, 200 * 24 * 60) * 60.0
    at = (minute + released * 3600) % phone.period_s[0]
    inside = np.zeros_like(at, dtype=bool)
    for start, end in zip(phone.starts[0], phone.ends[0], strict=True):
        for shift in (0, -phone.period_s[0]):  # the last night runs over the end of the period
            inside |= (at >= start + shift) & (at < end + shift)
    done = minute[np.searchsorted(np.cumsum(inside) * 60.0, busy)] / 3600
    assert phone.hours_until_done(busy, released)[0] == pytest.approx(done, abs=0.15 + busy / 3600 * 0.02)


def test_never_and_refused():
    never = Availability(np.zeros((2, 1)), np.zeros((2, 1)), np.full(2, 86_400.0))
    assert list(never.hours_until_done([0.0, 5.0])) == [0.0, np.inf]
    assert np.isnan(NIGHT.hours_until_done(np.nan)[0])


def test_daily_model_takes_longer_with_more_work():
    phones = draw_availability(500, np.random.default_rng(0))
    hours = [phones.hours_until_done(busy) for busy in (60, 3600, 20_000, 80_000)]
    assert all((b >= a).all() for a, b in pairwise(hours))
    assert len(phones.sample(7, np.random.default_rng(1))) == 7


def test_flash_format(tmp_path):
    path = tmp_path / "trace.json"
    path.write_text(json.dumps({"a": {"model": "x", "messages": FLASH}}))
    trace = read_trace(path)
    assert trace.starts[0].tolist() == [22 * 3600 + 1200, 23 * 3600 + 1800]
    assert trace.ends[0].tolist() == [23 * 3600 + 1200, 24 * 3600 + 1800]
    assert trace.period_s[0] == 2 * 86_400
    assert trace.hours_until_done(3600, 12)[0] == pytest.approx(11 + 1 / 3)


@pytest.mark.parametrize("suffix", [".json", ".pkl"])
def test_fedscale_format(tmp_path, suffix):
    clients = {
        1: {"duration": 900, "active": [0, 600], "inactive": [300, 900], "finish_time": 1000, "model": "x"},
        2: {"duration": 1, "active": [5], "inactive": [6], "finish_time": 50, "model": "y"},
    }
    path = tmp_path / f"trace{suffix}"
    path.write_bytes(json.dumps(clients).encode() if suffix == ".json" else pickle.dumps(clients))
    trace = read_trace(path)
    assert trace.hours_until_done([400, 2], 0) == pytest.approx([700 / 3600, 56 / 3600])


def test_broken_traces_are_named(tmp_path):
    path = tmp_path / "trace.json"
    path.write_text(json.dumps({"a": {"state": 1}}))
    with pytest.raises(ValueError, match="client 'a': neither"):
        read_trace(path)
    path.write_text(json.dumps({"a": {"active": [10], "inactive": [5], "finish_time": 50}}))
    with pytest.raises(ValueError, match="is earlier than the time before it"):
        read_trace(path)
    path.write_text(json.dumps({"a": {"active": [1], "inactive": [5], "finish_time": 0}}))
    with pytest.raises(ValueError, match="finish_time is under a second"):
        read_trace(path)
    path.write_text("[")
    with pytest.raises(ValueError, match=r"trace.json: no JSON"):
        read_trace(path)
    path = tmp_path / "trace.pkl"
    path.write_text("user,start,end\n")
    with pytest.raises(ValueError, match=r"trace.pkl: no pickle"):
        read_trace(path)
    path.write_bytes(pickle.dumps(np.zeros(2)))
    with pytest.raises(ValueError, match="wants to import"):
        read_trace(path)
