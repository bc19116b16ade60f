"""Loading a run folder: types, order, absent tables, clear errors."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from sim.analysis.summary import summarise, write_summary
from sim.analysis.tables import load_run, read_table
from sim.analysis.words.said import Said
from sim.common.errors import UserError
from sim.records.tables import ADDED, TABLES
from tests.sim.analysis.conftest import owned


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
    assert list(run.words.columns) == [c.name for c in TABLES["words"]]


def test_a_style_called_none_is_no_missing_value(new_run, row) -> None:
    run = load_run(new_run(users=[row(0, "xpert", style="None", chosen="NA")]))
    assert run.users.loc[0, "style"] == "None"
    assert run.users.loc[0, "chosen"] == "NA"


def test_columns_that_earlier_versions_lack_are_empty(run_folder: Path) -> None:
    for name in ("users", "ladder", "pool"):
        path = run_folder / f"{name}.csv"
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table.drop(columns=list(ADDED), errors="ignore").to_csv(path, index=False)
    run = load_run(run_folder)
    dtypes = {"int": "Int64", "float": "float64", "bool": "boolean"}
    for name, table in (("users", run.users), ("ladder", run.ladder), ("pool", run.pool)):
        told = ("run", "seed", "why")  # by the config, and by what `fits` was
        lacked = [column for column in TABLES[name] if column.name in ADDED and column.name not in told]
        assert lacked
        for column in lacked:
            assert str(table[column.name].dtype) == dtypes[column.type.__name__]
            assert table[column.name].isna().all()
    assert not summarise(run).empty


def test_every_row_says_which_run_it_is_of(run_folder: Path) -> None:
    run = load_run(run_folder)
    assert run.config is not None
    for table in (run.users, run.ladder, run.pool, run.words):
        assert len(table)
        assert set(table["run"]) == {run.config.digest()}, "records that do not say it are of the config beside them"
        assert set(table["seed"]) == {run.config.seed}
    write_summary(run)
    summary = read_table(run_folder / "summary.csv", TABLES["summary"])
    assert summary.columns[:2].tolist() == ["run", "seed"]
    assert set(summary["run"]) == {run.config.digest()}


def test_what_one_cell_held_in_earlier_versions_is_parted(new_run, row) -> None:
    said = {"yes": ("yes", ""), "does_not_fit: train needs 3 GB: more": ("does_not_fit", "train needs 3 GB: more"),
            "choosing: no room": ("cannot_choose", "no room"), "failed: KeyError: 'z'": ("failed", "KeyError: 'z'"),
            "": ("", "")}  # fmt: skip
    users = [row(user, "xpert", fits=fits) for user, fits in enumerate(said)]
    same = {"strategy": "xpert", "word": "warm", "strength": 1.0, "coordinate": 1.0}
    folder = new_run(users=users, words=[{"owner": owner, **same} for owner in ("user 12", "7", "username")])
    for name, column in (("users", "why"), ("words", "owner_kind")):
        table = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        table.drop(columns=column).to_csv(folder / f"{name}.csv", index=False)
    run = load_run(folder)
    assert list(zip(run.users["fits"], run.users["why"], strict=True)) == list(said.values())
    assert run.words[["owner_kind", "owner"]].values.tolist() == [["user", "12"], ["pllm", "7"], ["pllm", "username"]]
    assert run.fits["xpert"].tolist()[:3] == [1, 0, 0]
    assert run.fits["xpert"].isna().tolist() == [False, False, False, True, True]


def test_a_pllm_may_be_called_as_a_user_is_numbered(new_run, row) -> None:
    same = {"strategy": "xpert", "word": "warm", "coordinate": 1.0}
    words = [owned(owner) | same | {"strength": z} for owner, z in ((7, 1.0), ("7", 2.0))]
    pool = [{"pllm": "7", "style": "a", "similarity": 0.8, "texts": 1, "steps": 1, "loss": 1.0, "bytes": 1.0}]
    said = Said.by("xpert", load_run(new_run(users=[row(7, "xpert")], words=words, pool=pool)))
    assert said.of(7) == (("warm", 1.0),)
    assert said.of("7") == (("warm", 2.0),)


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


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("steps", "1.5", "'1.5' is not a whole number"),
        ("steps", "9" * 30, f"'{'9' * 30}' is not a whole number"),
        ("finetune_s", "1,5", "'1,5' is not a number"),
        ("finetune_s", "nan", "'nan' is not a number"),
        ("censored", "perhaps", "'perhaps' is not true or false"),
    ],
)
def test_a_cell_of_another_type_is_named(run_folder: Path, column: str, cell: str, said: str) -> None:
    path = run_folder / "users.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[2, column] = cell
    table.to_csv(path, index=False)
    with pytest.raises(UserError, match=rf"users\.csv: column '{column}', row 3: {said}") as error:
        load_run(run_folder)
    assert "\n" not in str(error.value)


WORDS = "owner,strategy,word,strength,coordinate\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{WORDS}a,xpert,warm,True,2\n", "column 'strength', row 1: 'True' is not a number"),
        (f"{WORDS}a,xpert,warm,1,2,3\n", "row 1 has 6 cells, and the header 5"),
        (f"{WORDS}a,xpert,warm,1,2\na,xpert\n", "row 2 has 2 cells, and the header 5"),
        (f"{WORDS}a,xpert,warm,1,2\na,xpert,warm,1,2,3\n", "row 2 has 6 cells, and the header 5"),
        ("owner,owner,strategy,word,strength,coordinate\na,b,xpert,warm,1,2\n", "column 'owner' is there twice"),
        ("", "empty"),
        ("\n\n", "empty"),
    ],
)
def test_a_table_that_is_not_what_its_header_says_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "words.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"words\.csv: {said}"):
        read_table(path, TABLES["words"])


def test_commas_at_the_ends_of_rows_and_blank_lines_are_nothing(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text(f"\ufeff{WORDS}a,xpert,warm,1,2,\n\nb,xpert,warm,,,\n", encoding="utf-8")
    table = read_table(path, TABLES["words"])
    assert table["owner"].tolist() == ["a", "b"]
    assert table["coordinate"].tolist()[0] == 2
    assert math.isnan(table["coordinate"].tolist()[1])
