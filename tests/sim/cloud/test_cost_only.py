"""Cost-only runs: everything but training, in the same records."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from devices import Lora, llm
from sim.analysis.summary import summarise, table
from sim.analysis.tables import load_run
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.ledger.meter import LEARNT
from sim.records.folder import make_folder
from tests.runs import same_tables, serve, tiny_overrides

LORA = Lora(8, "all-linear")
COST_ONLY = "training.cost_only=true"


def run(tiny_llm: Path, output: Path, *overrides: str) -> Path:
    config = Config.load(None, [*tiny_overrides(tiny_llm, output), *overrides])
    folder = make_folder(config, f"run-{len(list(output.glob('*/*')))}")
    serve(config, folder)
    return folder


def users(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "users.csv", keep_default_na=False)


@pytest.fixture
def cost_only(tiny_llm: Path, tmp_path: Path) -> Path:
    return run(tiny_llm, tmp_path / "results", COST_ONLY)


def test_everyone_is_billed_the_stated_steps_and_nothing_is_known_of_losses(cost_only: Path) -> None:
    rows = users(cost_only)
    assert len(rows) == 4 * 3
    assert (rows.billed_steps == 1000).all()
    assert (rows[["steps", "model_finetune_flops", "model_evaluate_flops"]] == 0).all(axis=None)
    assert (rows[list(LEARNT)] == "").all(axis=None)
    assert rows.finetune_flops.tolist() == pytest.approx([1000 * LORA.step_flops(llm("llama-3.2-1b"), 98)] * 12)
    assert not (cost_only / "ladder.csv").exists()
    assert len((cost_only / "curves.csv").read_text().splitlines()) <= 1


def test_choices_phones_and_downloads_are_those_of_the_run_that_trains(
    cost_only: Path, tiny_llm: Path, tmp_path: Path
) -> None:
    columns = ["user_id", "strategy", "phone", "tier", "network", "style", "texts", "chosen", "oracle", "correct",
               "selection_flops", "bytes_down", "download_s", "download_j"]  # fmt: skip
    trained = users(run(tiny_llm, tmp_path / "trained"))
    assert trained.steps.max() > 0
    pd.testing.assert_frame_equal(users(cost_only)[columns], trained[columns])


def test_records_do_not_depend_on_the_cohort(cost_only: Path, tiny_llm: Path, tmp_path: Path) -> None:
    one = run(tiny_llm, tmp_path / "one", COST_ONLY, "engine.cohort=1")
    left, right = (users(f).sort_values(["user_id", "strategy"], ignore_index=True) for f in (cost_only, one))
    pd.testing.assert_frame_equal(left.drop(columns=["wall_s", "run"]), right.drop(columns=["wall_s", "run"]))
    same_tables(cost_only, run(tiny_llm, tmp_path / "again", COST_ONLY))


def test_no_text_is_written_that_nobody_reads(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.population import users as drawn

    written: list[int] = []
    write = drawn._write
    monkeypatch.setattr(drawn, "_write", lambda *a: written.append(a[-1]) or write(*a))
    run(tiny_llm, tmp_path, COST_ONLY, "population.users=100", "strategies=random")
    assert sorted(written) == list(range(64))  # the sample that the mean tokens of a text are measured on


@pytest.mark.parametrize("keep_going", ["true", "false"])
def test_a_strategy_that_trains_before_it_chooses_is_refused(tiny_llm: Path, tmp_path: Path, keep_going: str) -> None:
    with pytest.raises(UserError, match=r"'hyperband' trains before it chooses; with training.cost_only nobody"):
        run(tiny_llm, tmp_path, COST_ONLY, "strategies=scratch,hyperband", f"engine.keep_going={keep_going}")


def test_summary_claims_no_savings(cost_only: Path) -> None:
    summary = summarise(load_run(cost_only))
    assert not summary.metric.str.contains("_saved|_loss|censored").any()
    assert {"total_min", "total_kj", "selection_accuracy", "down_mb"} <= set(summary.metric)
    assert table(summary).row_count == 3


@pytest.mark.parametrize("key", ["scratch_steps", "tokens_per_step"])
def test_what_is_not_measured_must_be_stated(key: str) -> None:
    with pytest.raises(UserError, match=rf"billing.{key} = 0: with training.cost_only = true"):
        Config.load(None, [COST_ONLY, f"billing.{key}=0"])
