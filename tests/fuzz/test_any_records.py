"""Any tables of a run or a sweep are read and reported, or refused by a UserError that names the file."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.analysis.explain.explanation import explain
from sim.analysis.explain.text import page
from sim.analysis.run.phones import by_phone
from sim.analysis.run.verdict import setting, verdict
from sim.analysis.summary import summarise, table
from sim.analysis.sweep.table import SHOWN, load_sweep
from sim.analysis.tables import Run, load_run, read_table
from sim.common.errors import UserError
from sim.records.tables import ADDED, TABLES
from tests.odd import accepted, changed, fill, texts
from tests.sim.analysis.conftest import owned, user_row

pytestmark = pytest.mark.fuzz

CELLS = texts | st.sampled_from(
    ["1", "-1", "1.5", "1e999", "nan", "inf", "-inf", "True", "true", "9" * 30, "0x1", "1_0"]
)
POOL = [
    {"pllm": p, "style": s, "similarity": 0.8, "texts": 4, "steps": 4, "loss": 1.0, "bytes": 9} for p, s in ("ab", "cd")
]
WORDS = [owned(o) | {"strategy": "xpert", "word": "warm", "strength": 1.0, "coordinate": 2.0} for o in (0, "a")]
CHOICES = [{"user_id": 0, "strategy": "xpert", "pllm": "a", "score": 0.5, "rank": 1}]
CURVES = [{"user_id": 0, "strategy": "xpert", "amount": 1.0, "step": 5, "loss": 2.0}]
USERS = [user_row(user, strategy, chosen="a") for user in (0, 1) for strategy in ("scratch", "xpert")]
SOUND = {"users": USERS, "ladder": USERS[:2], "pool": POOL, "words": WORDS, "choices": CHOICES, "curves": CURVES}
PLAIN = {int: "1", float: "0.5", bool: "True", str: "a"}
ROWS = {name: [{c.name: PLAIN[c.type] for c in columns}] * 2 for name, columns in TABLES.items()} | SOUND
"""Sound rows of every table."""
PARTED = {"fits": "why", "why": "why", "owner": "owner_kind", "owner_kind": "owner_kind"}
"""Columns that were one, by the one that tells."""
DTYPES = {int: "Int64", float: "float64", bool: "boolean", str: "str"}
FEWER = settings(max_examples=min(2_000, settings.default.max_examples // 2))
"""For what is made of a run: making it takes ten times as long as reading it."""


def written(row: Mapping[str, Any]) -> dict[str, str]:
    return {key: "" if cell is None else str(cell) for key, cell in row.items()}


@st.composite
def altered(draw: st.DrawFn, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table, some of them changed, repeated or left out."""
    found = [written(row) for row in rows]
    for place in draw(st.lists(st.integers(0, len(found) - 1), max_size=2)):
        found[place] = draw(changed(found[place], CELLS))
    return draw(st.just(found) | st.lists(st.sampled_from(found), min_size=1, max_size=6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "run"


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


def altered_of(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> st.SearchStrategy[Any]:
    """The name of a table, and altered rows of it."""
    return st.sampled_from(sorted(tables)).flatmap(lambda name: st.tuples(st.just(name), altered(tables[name])))


def filled(folder: Path, *tables: tuple[str, list[dict[str, Any]]]) -> Path:
    """The folder, anew, with these tables; the last of a name stays."""
    fill(folder, {})
    for name, rows in tables:
        write(folder / f"{name}.csv", rows)
    return folder


@given(altered_of(ROWS))
def test_any_table(folder: Path, altered: tuple[str, list[dict[str, Any]]]) -> None:
    """It has the columns and types that it should, and in its cells what the file says."""
    name, rows = altered
    path = filled(folder, altered) / f"{name}.csv"
    table = accepted(lambda: read_table(path, TABLES[name]), UserError, str(path))
    if table is None:
        return
    assert len(table) == len(rows)
    for column in TABLES[name]:
        if (behind := PARTED.get(column.name)) and not any(behind in row for row in rows):
            continue  # read as what an earlier version wrote
        found = table[column.name]
        assert str(found.dtype) == DTYPES[column.type]
        assert any(column.name in row for row in rows) or column.name in ADDED
        for cell, row in zip(found.tolist(), rows, strict=True):
            assert same(cell, row.get(column.name, ""), column.type)


def same(cell: Any, said: str, kind: type) -> bool:
    """Whether a cell was read as what the file says."""
    if kind is str:
        return bool(cell == said.encode(errors="replace").decode())
    if pd.isna(cell):
        return said == ""
    if kind is bool:
        return bool(cell) is (said.lower() in ("true", "1", "1.0"))
    return math.isclose(cell, float(said))


@given(st.sampled_from(sorted(ROWS)), st.data())
def test_any_table_that_was_cut(folder: Path, name: str, data: st.DataObject) -> None:
    """A row of which cells are lost is refused; what is left of the last cell, or of its column's name where the column
    may be missing, cannot be told from a whole one."""
    path = filled(folder, (name, ROWS[name])) / f"{name}.csv"
    whole, content = read_table(path, TABLES[name]), path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    table = accepted(lambda: read_table(path, TABLES[name]), UserError, str(path))
    if table is not None:
        kept = list(ROWS[name][0])[:-1]
        assert table[kept].equals(whole.head(len(table))[kept])


@given(altered(SOUND["users"]), altered_of(SOUND))
def test_any_run(folder: Path, users: list[dict[str, Any]], other: tuple[str, list[dict[str, Any]]]) -> None:
    run = accepted(lambda: load_run(filled(folder, ("users", users), other)), UserError, str(folder))
    if run is not None:
        assert len(run.users) == len(users if other[0] != "users" else other[1])
        assert set(run.strategies) == set(run.users["strategy"])


@FEWER
@given(altered(SOUND["users"]), altered_of(SOUND), st.sampled_from(MADE))
def test_anything_made_of_a_run(
    folder: Path,
    users: list[dict[str, Any]],
    other: tuple[str, list[dict[str, Any]]],
    made: Callable[[Run], object],
) -> None:
    filled(folder, ("users", users), other)
    accepted(lambda: made(load_run(folder)), UserError, str(folder))


@given(st.sampled_from(["users", "pool", "words"]), st.binary(max_size=40))
def test_any_bytes(folder: Path, name: str, data: bytes) -> None:
    path = fill(folder, {f"{name}.csv": data}) / f"{name}.csv"
    accepted(lambda: read_table(path, TABLES[name]), UserError, str(path))


RUN = {"folder": "f", "pool.size": "28", "strategy": "xpert", "rule": "restart", "users": "2"}
RUN |= {metric + part: "1.5" for metric in SHOWN for part in ("", "_low", "_high", "_median")}


@given(altered([RUN, RUN | {"pool.size": "84"}, RUN | {"strategy": "scratch"}]))
def test_any_sweep(folder: Path, rows: list[dict[str, Any]]) -> None:
    path = filled(folder, ("runs", rows)) / "runs.csv"
    sweep = accepted(lambda: load_sweep(path.parent), UserError, str(path))
    if sweep is not None:
        assert len(sweep.rows) == len(rows)
