"""What is said of committed records, worked out again from users.csv in a few lines of pandas that share no code."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from docs.make.summaries import REFERENCE
from sim.analysis.summary import SUMMARY_CSV, summarise
from sim.analysis.sweep.report import report
from sim.analysis.sweep.table import load_sweep
from sim.analysis.sweep.verdict import verdict
from sim.analysis.tables import load_run

OLD = "similarity_0.1.0"
"""The sweep in which scratch was first left out."""
RUNS = ("quickstart", f"{OLD}/418f12337bb72f8d", "xpert_data", "strategies")


@pytest.mark.parametrize("name", RUNS)
def test_summary_is_what_users_csv_says(name: str) -> None:
    users = pd.read_csv(REFERENCE / name / "users.csv")
    summary = pd.read_csv(REFERENCE / name / SUMMARY_CSV).set_index(["metric", "rule", "strategy"])["mean"].sort_index()
    wide = users.pivot(index="user_id", columns="strategy")
    missed, steps = wide["censored"].astype(bool), wide["steps_to_target"]
    fits = wide["fits"].isin(["yes", "streamed"])
    learnt = {"reached": 1 - missed, "steps_to_target": steps.where(~missed)}
    gap = (wide["best_loss"] - wide["target_loss"]).where(missed)
    learnt |= {"loss_gap": gap, "loss_gap_share": gap / wide["target_loss"], "start_loss": wide["start_loss"]}
    for metric, values in learnt.items():
        assert summary[metric, "any"].to_dict() == pytest.approx(values.mean().dropna().to_dict()), metric
    for metric, column, choosing in (
        ("compute_saved_total", "finetune_flops", wide["selection_flops"]),
        ("time_saved_total", "finetune_s", wide["selection_s"] + wide["download_s"]),
        ("energy_saved_total", "finetune_j", wide["selection_j"] + wide["download_j"]),
        ("compute_saved", "finetune_flops", 0),
        ("steps_saved", "steps_to_target", 0),
    ):
        bill = wide[column] if metric == "steps_saved" else wide[column].where(fits)
        trained = bill / steps * wide["steps"]
        rules = {"restart": trained.add(bill["scratch"], axis=0), "as trained": trained, "at budget": bill}
        for rule, paid in rules.items():
            total = bill.where(~missed, paid) + choosing
            scratch = bill["scratch"].where(bill["scratch"] > 0)
            saved = (1 - total.div(scratch, axis=0)).mean()
            assert summary[metric, rule].to_dict() == pytest.approx(saved.to_dict(), abs=1e-9), (metric, rule)


@pytest.mark.parametrize("name", RUNS)
def test_committed_summary_is_the_one_of_today(name: str) -> None:
    kept = pd.read_csv(REFERENCE / name / SUMMARY_CSV)
    pd.testing.assert_frame_equal(kept, summarise(load_run(REFERENCE / name)), check_dtype=False, rtol=1e-6)


def test_verdict_on_the_similarity_sweep_ranks_scratch() -> None:
    """Who saves most under `restart`, the oracle apart: by compute scratch in four of five runs, by time in two."""
    said = verdict(load_sweep(REFERENCE / OLD))
    assert said[0].startswith("By compute, choosing included, scratch is best in 4 of 5 runs and xpert in 1")
    assert any(s.startswith("By time on the phone, choosing included, xpert is best in 3 of 5") for s in said)
    assert any("'restart'" in s for s in said)


def test_at_the_budget_scratch_was_best_in_three_of_five_by_time() -> None:
    """As the first report of these records should have said, which left scratch out."""
    best = []
    for folder in sorted((REFERENCE / OLD).glob("*/")):
        saved = pd.read_csv(folder / SUMMARY_CSV).set_index(["metric", "rule", "strategy"])["mean"].sort_index()
        best.append(saved["time_saved_total", "at budget"].drop("oracle").idxmax())
    assert best.count("scratch") == 3


def test_a_runs_csv_from_before_rules_is_made_anew(tmp_path: Path) -> None:
    """It and the summaries of its runs say the same under a name that means something else now."""
    folder = Path(shutil.copytree(REFERENCE / OLD, tmp_path / "similarity"))
    new = load_sweep(folder)
    old = ["folder", "pool.similarity", "strategy", "users", "time_saved_total"]
    new.rows.assign(time_saved_total=-9.0)[old].to_csv(folder / "runs.csv", index=False)
    for run in new.runs["folder"]:
        summary = pd.read_csv(folder / run / SUMMARY_CSV)
        summary[summary["rule"] != "as trained"].drop(columns=["rule", "effect"]).to_csv(folder / run / SUMMARY_CSV)
    pd.testing.assert_frame_equal(load_sweep(folder).rows, new.rows, check_dtype=False, rtol=1e-6)
    assert "scratch is best in 4 of 5 runs" in report(folder).read_text(encoding="utf-8")
