"""Any availability trace is read, with windows in order, or refused by a ValueError that names the file."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import read_trace
from devices.traces import STATES
from tests.odd import accepted, changed, numbers, texts, values

pytestmark = pytest.mark.fuzz

START = datetime(2020, 3, 1, 22)
STAMPS = st.integers(0, 10**5).map(lambda s: str(START + timedelta(seconds=s)))
ODD_STAMPS = st.datetimes().map(str) | st.sampled_from(["1583100000000", "2020-02-30 00:00:00", "2019-03-01 22:00:00"])
SOUND_LINES = st.tuples(STAMPS, st.sampled_from([*STATES, "WIFI", "57%", "1.0%"])).map("\t".join)
LINES = st.tuples(STAMPS | ODD_STAMPS, st.sampled_from(["wifi", "Wi-Fi", "%", "-1%"]) | texts).map("\t".join) | texts
MESSAGES = st.lists(SOUND_LINES, max_size=20) | st.lists(SOUND_LINES | LINES, max_size=5)
FLASH = MESSAGES.map(lambda lines: {"guid": "u", "model": "m", "messages": "\n".join(lines)})
EDGES = st.lists(st.integers(0, 2000), max_size=8).map(lambda edges: sorted(edges)[: len(edges) // 2 * 2])
ODD_EDGES = st.lists(st.integers(-5, 2000) | numbers, max_size=5)
FEDSCALE = st.builds(
    lambda edges, finish: {"active": edges[::2], "inactive": edges[1::2], "finish_time": finish},
    EDGES | ODD_EDGES,
    st.just(1000) | numbers,
)
TREES = (
    st.dictionaries(texts, FLASH, max_size=3)
    | st.dictionaries(texts, FEDSCALE, max_size=3)
    | st.dictionaries(texts, (FLASH | FEDSCALE).flatmap(changed) | values(), max_size=3)
    | values()
)


def check(path: Path) -> None:
    trace = accepted(lambda: read_trace(path), ValueError, str(path))
    if trace is None:
        return
    edges = np.stack([trace.starts, trace.ends], axis=2).reshape(len(trace), -1)
    assert (np.diff(edges, axis=1) >= 0).all()
    assert (edges >= 0).all()
    assert (edges <= trace.period_s[:, None]).all()
    hours = trace.hours_until_done(3600.0, 1.0)
    assert not np.isnan(hours).any()
    never = (trace.ends - trace.starts).sum(axis=1) == 0
    assert (np.isinf(hours) == never).all()
    assert any("never available" in remark for remark in trace.remarks) == never.any()


@given(TREES)
def test_any_json(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "trace.json"
    path.write_text(json.dumps(tree))
    check(path)


@given(TREES, st.integers(0, 3))
def test_any_pickle(tmp_path_factory: pytest.TempPathFactory, tree: Any, lost: int) -> None:
    path = tmp_path_factory.getbasetemp() / "trace.pkl"
    data = pickle.dumps(tree)
    path.write_bytes(data[: len(data) - lost])
    check(path)


@given(st.binary(max_size=60) | texts.map(lambda text: text.encode(errors="replace")))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.json"
    path.write_bytes(data)
    check(path)
