"""Rows end up in the files in the order of the jobs, whatever order they arrive in."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import pytest

from sim.common.errors import UserError
from sim.records.recorder import Recorder
from sim.records.tables import TABLES, Rows, describe


def curve(user: int, *losses: float) -> Rows:
    rows = [{"user_id": user, "strategy": "scratch", "amount": 1.0, "step": i, "loss": v} for i, v in enumerate(losses)]
    return {"curves": rows}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_rows_are_in_job_order_whatever_the_order_of_arrival(tmp_path: Path, order: tuple[int, ...]) -> None:
    with Recorder(tmp_path) as recorder:
        for index in order:
            recorder.add(index, curve(index, 2.0, 1.0))
    assert [r["user_id"] for r in read(tmp_path / "curves.csv")] == [str(i) for i in range(4) for _ in range(2)]


def test_rows_are_on_disk_as_soon_as_their_turn_comes(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.add(1, curve(1, 1.0))
    assert not (tmp_path / "curves.csv").exists()
    recorder.add(0, curve(0, 1.0))
    assert [r["user_id"] for r in read(tmp_path / "curves.csv")] == ["0", "1"]
    recorder.close()


def test_a_job_without_rows_does_not_hold_up_the_next(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder:
        recorder.add(0, {})
        recorder.add(1, curve(1, 1.0))
        assert [r["user_id"] for r in read(tmp_path / "curves.csv")] == ["1"]


def test_a_failed_run_keeps_the_rows_that_were_waiting(tmp_path: Path) -> None:
    def fails() -> None:
        with Recorder(tmp_path) as recorder:
            recorder.add(3, curve(3, 1.0))
            recorder.add(1, curve(1, 1.0))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert [r["user_id"] for r in read(tmp_path / "curves.csv")] == ["1", "3"]


def test_a_resumed_recorder_goes_on_where_the_files_end(tmp_path: Path) -> None:
    written: list[int] = []
    with Recorder(tmp_path, first=2, on_written=written.append) as recorder:
        recorder.add(3, curve(3, 1.0))
        assert written == []
        recorder.add(2, {})
        assert written == [2, 3]
    assert [r["user_id"] for r in read(tmp_path / "curves.csv")] == ["3"]


def test_header_is_the_table_s_columns_and_is_written_once(tmp_path: Path) -> None:
    for index in range(2):
        with Recorder(tmp_path) as recorder:
            recorder.write(curve(index, 1.0))
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert lines[0].split(",") == [c.name for c in TABLES["curves"]]
    assert len(lines) == 3


def test_floats_keep_every_digit_and_nothing_is_an_empty_cell(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1e-17, 1e21, float("nan")]
    with Recorder(tmp_path) as recorder:
        recorder.write(curve(0, *values))
        recorder.write({"users": [{"user_id": 1, "censored": False, "oracle": None, "selection_s": ""}]})
    cells = [r["loss"] for r in read(tmp_path / "curves.csv")]
    assert [float(c) for c in cells[:3]] == values[:3]
    assert cells[3] == ""
    (row,) = read(tmp_path / "users.csv")
    assert (row["user_id"], row["censored"], row["oracle"], row["selection_s"], row["style"]) == (
        "1", "false", "", "", "",
    )  # fmt: skip


def test_text_with_commas_quotes_and_lines_comes_back(tmp_path: Path) -> None:
    word = 'a "b", c\nd \u2028 é'
    with Recorder(tmp_path) as recorder:
        recorder.write({"words": [{"owner": "user 1", "strategy": "x", "word": word, "strength": 1.0}]})
    assert read(tmp_path / "words.csv")[0]["word"] == word


def test_rows_say_which_run_they_are_of(tmp_path: Path) -> None:
    with Recorder(tmp_path, of={"run": "abc", "seed": 9001}) as recorder:
        recorder.write(curve(0, 1.0))
    (row,) = read(tmp_path / "curves.csv")
    assert (row["run"], row["seed"], row["step"]) == ("abc", "9001", "0")


def test_a_file_of_another_version_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "curves.csv").write_text("user_id,strategy,amount,step,loss\n0,scratch,1.0,0,2.0\n")
    before = (tmp_path / "curves.csv").read_bytes()
    with (
        Recorder(tmp_path) as recorder,
        pytest.raises(UserError, match=r"curves\.csv: its columns are those of another"),
    ):
        recorder.write(curve(1, 1.0))
    assert (tmp_path / "curves.csv").read_bytes() == before


def test_an_unknown_column_is_refused(tmp_path: Path) -> None:
    with Recorder(tmp_path) as recorder, pytest.raises(ValueError, match="colour"):
        recorder.write({"curves": [{"colour": "red"}]})


def test_every_column_has_a_name_of_its_own_and_a_meaning() -> None:
    for table, columns in TABLES.items():
        assert len({c.name for c in columns}) == len(columns), table
        assert all(c.meaning and c.type in (int, float, str, bool) for c in columns), table


def test_description_names_every_table_and_column() -> None:
    for table, columns in TABLES.items():
        text = describe([table])
        assert f"## {table}.csv" in text
        assert [c.name for c in columns if f"| `{c.name}` |" not in text] == []
