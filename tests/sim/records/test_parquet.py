"""Parquet holds what the CSV files hold, with types."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sim.cloud.check import prepare
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.records.parquet import write_parquet
from sim.records.recorder import Recorder
from sim.records.tables import TABLES
from sim.run import close
from tests.sim.analysis.conftest import population, write_run


def test_cells_come_back_with_their_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [
        {"user_id": 1, "style": 'a "b", c\nd é', "correct": None, "billed": True, "hours_until_done": math.inf},
        {"user_id": 2, "style": "NA", "correct": False, "billed": False, "hours_until_done": 0.1 + 0.2},
    ]
    with Recorder(tmp_path, of={"run": "0123", "seed": 9001}) as recorder:
        recorder.write({"users": rows})
    write_parquet(tmp_path)
    table = parquet.read_table(tmp_path / "users.parquet")
    assert table.column_names == [column.name for column in TABLES["users"]]
    cells = table.select(["run", "seed", "user_id", "style", "correct", "billed", "hours_until_done", "why", "steps"])
    assert [list(row.values()) for row in cells.to_pylist()] == [
        ["0123", 9001, 1, 'a "b", c\nd é', None, True, math.inf, "", None],
        ["0123", 9001, 2, "NA", False, False, 0.1 + 0.2, "", None],
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["users.csv", "users.parquet"]


def test_every_table_of_a_run_that_is_done(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    strategies = ["scratch", "xpert"]
    config = Config.of({"name": "demo", "strategies": strategies, "records": {"format": "csv+parquet"}})
    folder = write_run(tmp_path / "run", config, **population(8, strategies))
    done, summary = close(folder, plots=False)
    assert {path.stem for path in folder.glob("*.parquet")} == {path.stem for path in folder.glob("*.csv")}
    assert parquet.read_table(folder / "summary.parquet")["mean"].to_pylist() == pytest.approx(
        summary["mean"], nan_ok=True
    )
    assert (
        parquet.read_table(folder / "users.parquet")["finetune_s"].null_count == done.users["finetune_s"].isna().sum()
    )


def test_without_the_package_it_is_said_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.records.parquet.find_spec", lambda name: None)
    prepare(Config())
    with pytest.raises(UserError, match=r"records\.format = 'csv\+parquet': .*pip install -e '\.\[parquet\]'"):
        prepare(Config.load(None, ["records.format=csv+parquet"]))


def test_the_format_changes_no_run_s_name() -> None:
    assert Config().digest() == Config.load(None, ["records.format=csv+parquet"]).digest()
