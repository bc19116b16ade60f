"""Bills of other LLMs from what is on record: the same as a run's own, and a chart of costs against accuracy."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from docs.make import results
from sim.analysis.everyone import Everyone
from sim.analysis.summary import write_summary
from sim.analysis.sweep.by_llm import BILLED, COSTS, Billed, accuracy_and_cost, chart, table_of, unbeaten
from sim.analysis.sweep.figures import draw_all
from sim.analysis.sweep.rebilled import rebilled
from sim.analysis.sweep.report import report
from sim.analysis.sweep.table import load_sweep, runs_table
from sim.analysis.tables import Run, load_run
from sim.common.errors import UserError
from sim.experiment.names import ORACLE
from tests.runs import run, small_config

CHOOSING = "strategies=random,oracle,lexical,zero_shot,exhaustive,xpert,xpert_merge"
COST_ONLY = ["training.cost_only=true", "ladder.users=0", "billing.runtime=mebp"]


@pytest.fixture(scope="module")
def folder(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two replicates in which nobody trains, and their runs.csv."""
    output = tmp_path_factory.mktemp("by_llm")
    folders = []
    for seed in (9000, 9001):
        config = small_config(tiny_llm, output, CHOOSING, *COST_ONLY, f"seed={seed}", f"pool.seed={seed}")
        run(config, f"{seed}")
        folders.append((next(output.rglob(f"{seed}/users.csv")).parent, {"seed": seed, "pool.seed": seed}))
    for path, _ in folders:
        write_summary(load_run(path))
    sweep = folders[0][0].parent
    runs_table(folders).to_csv(sweep / "runs.csv", index=False)
    return sweep


@pytest.fixture
def done(folder: Path) -> Run:
    return load_run(folder / "9000")


def test_billed_again_for_the_same_llms_nothing_changes(done: Run) -> None:
    assert done.config
    again = rebilled(done, done.config.llm.deploy, done.config.llm.summarizer_deploy)
    pd.testing.assert_frame_equal(again.users, done.users)


def test_billed_again_also_where_users_trained(tiny_llm: Path, tmp_path: Path) -> None:
    config = small_config(tiny_llm, tmp_path, "strategies=scratch,xpert_merge", "ladder.users=2")
    run(config)
    done = load_run(next(tmp_path.rglob("users.csv")).parent)
    again = rebilled(done, config.llm.deploy, config.llm.summarizer_deploy)
    pd.testing.assert_frame_equal(
        again.users.drop(columns="hours_until_done"), done.users.drop(columns="hours_until_done")
    )


def test_of_another_llm_it_is_what_a_run_with_it_would_record(tiny_llm: Path, done: Run, tmp_path: Path) -> None:
    other = ["llm.deploy=qwen2.5-0.5b", "llm.summarizer_deploy=qwen2.5-1.5b", "seed=9000", "pool.seed=9000"]
    run(small_config(tiny_llm, tmp_path, CHOOSING, *COST_ONLY, *other))
    recorded = load_run(next(tmp_path.rglob("users.csv")).parent).users
    columns = ["fits", "selection_flops", "selection_s", "selection_j", "bytes_down", "download_s", "finetune_s"]
    again = rebilled(done, "qwen2.5-0.5b", "qwen2.5-1.5b").users
    pd.testing.assert_frame_equal(again[columns], recorded[columns])
    assert not again["selection_s"].equals(done.users["selection_s"])


def test_a_run_that_measured_its_steps_cannot_be_billed_again(tiny_llm: Path, tmp_path: Path) -> None:
    run(small_config(tiny_llm, tmp_path, "strategies=scratch,random", "ladder.users=0", "billing.tokens_per_step=0"))
    done = load_run(next(tmp_path.rglob("users.csv")).parent)
    with pytest.raises(UserError, match="not on record"):
        rebilled(done, "llama-3.2-1b", "llama-3.2-1b")


def test_unbeaten_is_what_no_other_is_better_than() -> None:
    cost, accuracy = np.array([0.0, 1, 2, 2, 3, np.nan]), np.array([10.0, 50, 50, 60, 60, 90])
    assert unbeaten(cost, accuracy).tolist() == [True, True, False, True, False, False]
    assert unbeaten(np.zeros(2), np.full(2, 50.0)).tolist() == [True, True]  # neither is better


def test_accuracy_is_that_of_the_records_and_costs_grow_with_the_llm(folder: Path) -> None:
    runs = tuple(load_run(folder / name) for name in ("9000", "9001"))
    table = accuracy_and_cost(runs).set_index(["llm", "strategy"])
    found = Everyone(runs).metrics()["selection_accuracy"]
    for one in BILLED:
        assert table.loc[(one.name, "exhaustive"), "accuracy"] == pytest.approx(100 * found["exhaustive"].mean())
    tflop = [table.loc[(one.name, "exhaustive"), "tflop"] for one in BILLED]
    assert tflop == sorted(tflop)
    assert (table["tflop_low"] <= table["tflop"]).all()
    assert not table.xs(ORACLE, level="strategy")[[f"{cost}_best" for cost in COSTS]].any(axis=None)
    own = accuracy_and_cost(runs, [Billed("own", "llama-3.2-1b", "llama-3.1-8b")]).set_index("strategy")
    recorded = pd.concat([r.users for r in runs]).query("strategy == 'xpert' and fits in ('yes', 'streamed')")
    assert own.loc["xpert", "tflop"] == pytest.approx(recorded["selection_flops"].mean() / 1e12)
    minutes = (recorded["selection_s"] + recorded["download_s"]).mean() / 60
    assert own.loc["xpert", "minutes"] == pytest.approx(minutes)


def marked(axes: Axes) -> list[Line2D]:
    """The points of a panel; bars, and the line that joins a strategy's points, have no marker."""
    return [line for line in axes.lines if len(line.get_xdata()) == 1 and line.get_marker() not in ("", "None")]


def test_chart_fills_what_nothing_beats_and_has_a_place_for_what_is_free(folder: Path) -> None:
    table = table_of(load_sweep(folder))
    figure = chart(table)
    assert figure is not None
    assert len(figure.axes) == len(COSTS)
    flops = figure.axes[0]
    assert flops.get_xlim()[0] < 0 < flops.get_xlim()[1]  # random computes nothing
    points = marked(flops)
    filled = sum(line.get_markerfacecolor() != "white" for line in points)
    assert len(points) == len(table)
    assert filled == table["tflop_best"].sum()
    assert chart(pd.DataFrame()) is None


def test_chart_leaves_out_what_few_phones_can_do(folder: Path) -> None:
    table = table_of(load_sweep(folder)).query("llm == '8 B'")
    few = table.assign(users=table["users"].where(table["strategy"] != "exhaustive", 1))
    for shown, strategies in ((table, 7), (few, 6)):
        figure = chart(shown)
        assert figure is not None
        assert len(marked(figure.axes[0])) == strategies


def test_table_of_a_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "REFERENCE", folder.parent)
    lines = results.by_llm(folder.name).splitlines()
    assert lines[0].count("|") == 11  # strategy, accuracy, two costs of four LLMs
    assert [line.split("`")[1] for line in lines[2:9]] == CHOOSING.partition("=")[2].split(",")
    random = next(line for line in lines if line.startswith("| `random` |"))
    assert "| 0.0" in random
    assert " *" in lines[4] + random


def test_report_of_a_sweep_of_bills_has_the_chart_and_its_numbers(folder: Path, tmp_path: Path) -> None:
    html = report(folder).read_text(encoding="utf-8")
    assert "Cost against accuracy by LLM" in html
    written = pd.read_csv(folder / "by_llm.csv")
    assert set(written["llm"]) == {one.name for one in BILLED}
    names = {path.name for path in draw_all(load_sweep(folder), tmp_path, "svg")}
    assert any("by_llm" in name for name in names)


def test_a_report_stands_without_it_where_the_work_is_broken(folder: Path, tmp_path: Path) -> None:
    sweep = Path(shutil.copytree(folder, tmp_path / "copy"))
    (sweep / "by_llm.csv").unlink(missing_ok=True)
    (sweep / "9001" / "work.csv").write_text("user_id,strategy\n0,random\n")
    assert "Cost against accuracy by LLM" not in report(sweep).read_text(encoding="utf-8")
    assert not (sweep / "by_llm.csv").exists()


def test_other_sweeps_have_none(folder: Path, tmp_path: Path) -> None:
    one = load_run(folder / "9000")
    assert one.config
    rows = pd.read_csv(folder / "runs.csv").query("seed == 9000").drop(columns=["seed", "pool.seed"])
    rows.insert(1, "pool.size", 3)
    rows.to_csv(tmp_path / "runs.csv", index=False)
    assert table_of(load_sweep(tmp_path)).empty
