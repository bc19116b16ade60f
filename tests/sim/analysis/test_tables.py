"""Loading a run folder: types, order, absent tables, clear errors."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sim.analysis.tables import load_run
from sim.common.errors import UserError


def test_types_and_order(run_folder: Path) -> None:
    run = load_run(run_folder)
    assert run.name == "demo"
    assert run.strategies == ("scratch", "random", "oracle", "xpert")
    assert str(run.users["user_id"].dtype) == "Int64"
    assert str(run.users["correct"].dtype) == "boolean"
    assert str(run.users["finetune_s"].dtype) == "float64"
    assert run.users.loc[run.users["strategy"] == "scratch", "correct"].isna().all()


def test_absent_tables_are_empty(new_run, row) -> None:
    run = load_run(new_run(users=[row(4, "xpert")]))
    assert run.config is None
    assert run.seed == 0
    assert run.ladder.empty
    assert list(run.words.columns) == ["owner", "strategy", "word", "strength", "coordinate"]


def test_a_style_called_none_is_no_missing_value(new_run, row) -> None:
    run = load_run(new_run(users=[row(0, "xpert", style="None", chosen="NA")]))
    assert run.users.loc[0, "style"] == "None"
    assert run.users.loc[0, "chosen"] == "NA"


def test_wide_has_a_cell_for_every_user_and_strategy(new_run, row) -> None:
    rows = [row(7, "b", start_loss=1.5), row(2, "a", start_loss=2.5), row(7, "a", start_loss=3.5)]
    wide = load_run(new_run(users=rows)).wide("start_loss")
    assert list(wide.index) == [2, 7]
    assert wide.loc[7, "a"] == 3.5
    assert wide.loc[7, "b"] == 1.5
    assert math.isnan(wide.loc[2, "b"])


def test_errors_are_one_clear_line(tmp_path: Path, run_folder: Path, new_run, row) -> None:
    with pytest.raises(UserError, match="no such folder"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no run.*Did you mean .*r1"):
        load_run(run_folder.parent)
    with pytest.raises(UserError, match=r"two rows for user 1 and strategy 'a'"):
        load_run(new_run(users=[row(1, "a"), row(1, "a")]))
    (run_folder / "curves.csv").write_text("user_id,strategy\n0,xpert\n")
    with pytest.raises(UserError, match=r"curves\.csv: column 'amount' is missing"):
        load_run(run_folder)
    (run_folder / "curves.csv").write_text("user_id,strategy,amount,step,loss\n0,xpert,1.0,5,many\n")
    with pytest.raises(UserError, match=r"curves\.csv: .*many") as error:
        load_run(run_folder)
    assert "\n" not in str(error.value)


def test_a_run_without_rows(new_run) -> None:
    with pytest.raises(UserError, match="no user has finished"):
        load_run(new_run(users=[]))
