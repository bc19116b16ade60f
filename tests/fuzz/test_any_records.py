"""Any tables of a run or a sweep are read and reported, or refused by a UserError that names the file."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.analysis.explain.explanation import explain
from sim.analysis.explain.text import page
from sim.analysis.run.phones import by_phone
from sim.analysis.run.verdict import setting, verdict
from sim.analysis.summary import summarise, table
from sim.analysis.sweep.table import SHOWN, load_sweep
from sim.analysis.tables import Run, load_run, read_table
from sim.common.errors import UserError
from sim.records.tables import TABLES
from tests.odd import accepted, changed, texts
from tests.sim.analysis.conftest import user_row

pytestmark = pytest.mark.fuzz

CELLS = texts | st.sampled_from(
    ["1", "-1", "1.5", "1e999", "nan", "inf", "-inf", "True", "true", "9" * 30, "0x1", "1_0"]
)
POOL = [
    {"pllm": p, "style": s, "similarity": 0.8, "texts": 4, "steps": 4, "loss": 1.0, "bytes": 9} for p, s in ("ab", "cd")
]
WORDS = [{"owner": o, "strategy": "xpert", "word": "warm", "strength": 1.0, "coordinate": 2.0} for o in ("user 0", "a")]
CHOICES = [{"user_id": 0, "strategy": "xpert", "pllm": "a", "score": 0.5, "rank": 1}]
CURVES = [{"user_id": 0, "strategy": "xpert", "amount": 1.0, "step": 5, "loss": 2.0}]
USERS = [user_row(user, strategy, chosen="a") for user in (0, 1) for strategy in ("scratch", "xpert")]
SOUND = {"users": USERS, "ladder": USERS[:2], "pool": POOL, "words": WORDS, "choices": CHOICES, "curves": CURVES}


def written(row: Mapping[str, Any]) -> dict[str, str]:
    return {key: "" if cell is None else str(cell) for key, cell in row.items()}


@st.composite
def altered(draw: st.DrawFn, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table, some of them changed, repeated or left out."""
    found = [written(row) for row in rows]
    for place in draw(st.lists(st.integers(0, len(found) - 1), max_size=2)):
        found[place] = draw(changed(found[place], CELLS))
    return draw(st.just(found) | st.lists(st.sampled_from(found), min_size=1, max_size=6))


def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)


def explained(run: Run) -> None:
    for row in run.users[["user_id", "strategy"]].itertuples(index=False):
        page(explain(run, int(row.user_id), row.strategy))


MADE: Sequence[Callable[[Run], object]] = (
    lambda run: table(summarise(run)),
    lambda run: verdict(run, summarise(run)),
    setting,
    by_phone,
    explained,
)
"""What is made of a run, but for pictures."""


ANOTHER = st.sampled_from(sorted(SOUND)).flatmap(lambda name: st.tuples(st.just(name), altered(SOUND[name])))


@given(altered(SOUND["users"]), ANOTHER, st.sampled_from(MADE))
def test_any_tables(
    tmp_path_factory: pytest.TempPathFactory,
    users: list[dict[str, Any]],
    other: tuple[str, list[dict[str, Any]]],
    made: Callable[[Run], object],
) -> None:
    folder = fresh(tmp_path_factory)
    for name, rows in (("users", users), other):
        write(folder / f"{name}.csv", rows)
    accepted(lambda: made(load_run(folder)), UserError, str(folder))


@given(st.sampled_from(["users", "pool", "words"]), st.binary(max_size=40))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes) -> None:
    path = fresh(tmp_path_factory) / f"{name}.csv"
    path.write_bytes(data)
    accepted(lambda: read_table(path, TABLES[name]), UserError, str(path))


RUN = {"folder": "f", "pool.size": "28", "strategy": "xpert", "rule": "restart", "users": "2"}
RUN |= {metric + part: "1.5" for metric in SHOWN for part in ("", "_low", "_high", "_median")}


@given(altered([RUN, RUN | {"pool.size": "84"}, RUN | {"strategy": "scratch"}]))
def test_any_sweep(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.getbasetemp() / "runs.csv"
    write(path, rows)
    sweep = accepted(lambda: load_sweep(path.parent), UserError, str(path))
    if sweep is not None:
        assert len(sweep.rows) == len(rows)
