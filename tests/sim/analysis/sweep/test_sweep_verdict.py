"""Who is best in how many runs of a sweep, and runs that differ in seeds alone taken together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sim.analysis.summary import summarise, write_summary
from sim.analysis.sweep.report import report
from sim.analysis.sweep.table import Sweep, load_sweep, runs_table
from sim.analysis.sweep.verdict import best, verdict
from sim.analysis.tables import load_run
from sim.experiment.config import Config
from tests.sim.analysis.conftest import user_row, write_run


def swept(folder: Path, costs: Mapping[tuple[Any, ...], Mapping[str, float]], keys: tuple[str, ...]) -> Sweep:
    """Runs of four users of two styles, by swept values: what fine-tuning costs by strategy, a tenth apart from user to
    user; from scratch 1000, and choosing 100 for all but the oracle.
    """
    runs = []
    for values, strategies in costs.items():
        users = []
        for user in range(4):
            style = {"style": "ab"[user % 2]}
            bill = dict.fromkeys(("finetune_flops", "finetune_s", "finetune_j"), 1000.0)
            users.append(user_row(user, "scratch", **style, **bill))
            for strategy, cost in strategies.items():
                bill = dict.fromkeys(bill, cost * (1 + 0.1 * (user % 2)))
                price = 0.0 if strategy == "oracle" else 100.0
                choosing = dict.fromkeys(("selection_flops", "selection_s", "selection_j"), price)
                users.append(user_row(user, strategy, **style, **bill, **choosing))
        named = "-".join(map(str, values))
        run = write_run(folder / named, Config.of({"strategies": ["scratch", *strategies]}), users=users)
        write_summary(load_run(run))
        runs.append((run, dict(zip(keys, map(str, values), strict=True))))
    runs_table(runs).to_csv(folder / "runs.csv", index=False)
    return load_sweep(folder)


def test_scratch_is_counted_and_the_oracle_is_not(tmp_path: Path) -> None:
    sweep = swept(
        tmp_path,
        {
            (0.3,): {"oracle": 1200.0, "xpert": 1500.0, "random": 1600.0},
            (0.5,): {"oracle": 900.0, "xpert": 960.0, "random": 1600.0},
            (0.9,): {"oracle": 0.0, "xpert": 100.0, "random": 1600.0},
        },
        ("pool.similarity",),
    )
    first, *_ = verdict(sweep)
    assert first.startswith(
        "By compute, choosing included, scratch is best in 2 of 3 runs and xpert in 1; 3 of these hold"
    )
    assert "The oracle, which is told the style, saves more in 2." in first
    assert "xpert -67.5 to 79.5 %" in first


def test_of_equals_scratch_is_best() -> None:
    run = {s: {"time_saved_total": 0.0} for s in ("xpert", "scratch")}
    assert best(run, "time_saved_total") == "scratch"


def test_a_sweep_without_scratch_names_nobody(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "1", users=[user_row(0, "xpert")])
    write_summary(load_run(folder))
    for key, said in (
        ("pool.size", "1 runs over pool.size; strategies: xpert."),
        ("seed", "1 setting of 1 replicate and 1 user (1 run); strategies: xpert."),
    ):
        runs_table([(folder, {key: "1"})]).to_csv(tmp_path / "runs.csv", index=False)
        assert verdict(load_sweep(tmp_path)) == [said]


def test_seeds_are_taken_together(tmp_path: Path) -> None:
    """Three seeds that differ by more than their users do: the interval is theirs, and no run's own."""
    costs = {(28, seed): {"xpert": cost} for seed, cost in enumerate((200.0, 400.0, 600.0))}
    costs |= {(56, seed): {"xpert": 300.0} for seed in range(3)}
    sweep = swept(tmp_path, costs, ("pool.size", "seed"))
    pooled = sweep.pooled
    assert pooled.keys == ("pool.size",)
    assert pooled.rows["replicates"].tolist() == [3] * 4
    assert pooled.rows["users"].tolist() == [12] * 4
    mine = pooled.rows[(pooled.rows["strategy"] == "xpert") & (pooled.rows["pool.size"] == 28)].iloc[0]
    assert mine["compute_saved_total"] == pytest.approx(1 - 0.1 - 0.4 * 1.05)
    assert mine["compute_saved_total_low"] < 0.3 + 0.02
    assert mine["compute_saved_total_high"] > 0.68 - 0.02
    said = verdict(sweep)
    assert said[0].startswith("By compute, choosing included, xpert is best in 2 of 2 settings; 2 of these hold")
    assert said[-1] == (
        "2 settings over pool.size, each of 3 replicates and 12 users (6 runs); strategies: scratch and xpert."
    )
    html = report(tmp_path).read_text()
    assert ">All replicates together</h2>" in html
    assert "each of 3 replicates and 12 users (6 runs)" in html


def test_without_seeds_there_is_nothing_to_take_together(tmp_path: Path) -> None:
    sweep = swept(tmp_path, {(n,): {"xpert": 100.0} for n in (14, 28)}, ("pool.size",))
    assert sweep.pooled is sweep


def test_replicates_of_one_run_are_its_users_again(tmp_path: Path) -> None:
    """The mean of a run and of itself twice is the same, of twice the users."""
    swept(tmp_path, {(0,): {"xpert": 100.0}}, ("seed",))
    run = load_run(tmp_path / "0")
    once, twice = (summarise(*[run] * n).set_index(["strategy", "metric", "rule"]) for n in (1, 2))
    assert twice["users"].tolist() == (2 * once["users"]).tolist()
    assert twice["mean"].tolist() == pytest.approx(once["mean"].tolist(), nan_ok=True)
