"""The summary against numbers worked out by hand."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from sim.analysis.everyone import MEDIANS, OF_MEANS, Everyone
from sim.analysis.measures import per_user
from sim.analysis.rules import ANY, RESTART, RULES
from sim.analysis.summary import interval, number, summarise, table
from sim.analysis.tables import Run, load_run
from sim.experiment.config import Config
from sim.records.tables import SUMMARY, TABLES


def three_users(row) -> list[dict]:
    """Fine-tuning costs from scratch 1000, 2000, 4000; xpert's 100, 400, 2000 and each time 100 to choose.

    The last user misses the target in all 4 steps of the budget.
    """
    rows = []
    for user, (scratch, tuned) in enumerate([(1000.0, 100.0), (2000.0, 400.0), (4000.0, 2000.0)]):
        rows.append(row(user, "scratch", finetune_flops=scratch, finetune_s=scratch, finetune_j=scratch))
        costs = {"finetune_flops": tuned, "finetune_s": tuned, "finetune_j": tuned, "start_loss": 2.5}
        choosing = {"selection_flops": 100.0, "selection_s": 100.0, "selection_j": 50.0}
        loading = {"download_s": 10.0, "download_j": 20.0, "bytes_down": 3e6}
        right = {
            "correct": user < 2,
            "chosen": "p0",
            "steps_to_target": 2 + user,
            "steps": 2 + user,
            "censored": user == 2,
            "best_loss": 2.25,
        }
        rows.append(row(user, "xpert", **costs, **choosing, **loading, **right))
    return rows


def value(summary: pd.DataFrame, strategy: str, metric: str, column: str = "mean", rule: str = "as trained") -> float:
    mine = (summary["strategy"] == strategy) & (summary["metric"] == metric)
    found = summary[mine & summary["rule"].isin([ANY, rule])]
    assert len(found) == 1, f"{strategy} {metric}"
    return float(found[column].iloc[0])


def test_savings_by_hand(new_run, row) -> None:
    summary = summarise(load_run(new_run(users=three_users(row))))
    assert list(summary.columns) == [c.name for c in SUMMARY]
    assert value(summary, "xpert", "compute_saved") == pytest.approx((0.9 + 0.8 + 0.5) / 3)
    assert value(summary, "xpert", "compute_saved_total") == pytest.approx((0.8 + 0.75 + 0.475) / 3)
    assert value(summary, "xpert", "time_saved_total") == pytest.approx((0.79 + 0.745 + 0.4725) / 3)
    assert value(summary, "xpert", "energy_saved_total") == pytest.approx((0.83 + 0.765 + 0.4825) / 3)
    assert value(summary, "xpert", "steps_saved") == pytest.approx((0.8 + 0.7 + 0.6) / 3)
    assert value(summary, "xpert", "compute_saved", "median") == pytest.approx(0.8)
    assert value(summary, "xpert", "compute_saved_median") == pytest.approx(0.8)
    assert value(summary, "xpert", "compute_saved_median", "low") == pytest.approx(0.5)
    assert value(summary, "xpert", "compute_saved_median", "high") == pytest.approx(0.9)
    assert value(summary, "scratch", "compute_saved") == 0
    assert value(summary, "xpert", "selection_accuracy") == pytest.approx(2 / 3)
    assert value(summary, "xpert", "reached") == pytest.approx(2 / 3)
    assert value(summary, "xpert", "steps_to_target") == pytest.approx(2.5)
    assert value(summary, "xpert", "loss_gap") == pytest.approx(0.25)
    assert value(summary, "xpert", "loss_gap_share") == pytest.approx(0.125)
    assert value(summary, "xpert", "loss_gap", "users") == 1
    assert value(summary, "xpert", "down_mb") == pytest.approx(3)
    assert value(summary, "xpert", "finetune_min") == pytest.approx(2500 / 3 / 60)
    assert value(summary, "xpert", "total_kj") == pytest.approx((2500 / 3 + 70) / 1e3)
    assert value(summary, "xpert", "fits", "users") == 3
    assert not ((summary["strategy"] == "scratch") & (summary["metric"] == "selection_accuracy")).any()


def test_a_miss_starts_again_from_scratch(new_run, row) -> None:
    """The last user of `three_users` pays for the 4 steps that it trained, 2000, and then for scratch, 4000."""
    summary = summarise(load_run(new_run(users=three_users(row))))

    def restarted(metric: str, column: str = "mean") -> float:
        return value(summary, "xpert", metric, column, RESTART)

    assert restarted("compute_saved") == pytest.approx((0.9 + 0.8 - 0.5) / 3)
    assert restarted("compute_saved_total") == pytest.approx((0.8 + 0.75 - 0.525) / 3)
    assert restarted("time_saved_total") == pytest.approx((0.79 + 0.745 - 0.5275) / 3)
    assert restarted("steps") == pytest.approx((2 + 3 + 4 + 10) / 3)
    assert restarted("compute_saved_total" + OF_MEANS) == pytest.approx(1 - (200 + 500 + 6100) / 7000)
    assert restarted("total_flops") == pytest.approx(6800 / 3)
    assert set(summary["rule"]) == {ANY, *RULES}


def test_break_even_is_where_the_saving_becomes_nothing(new_run, row) -> None:
    """With the config's 1000 steps from scratch; choosing is 10, 5 and 2.5 % of scratch, fine-tuning saves 40 %."""
    config = Config.of({"billing": {"scratch_steps": 1000}})
    summary = summarise(load_run(new_run(config, users=three_users(row))))
    even = value(summary, "xpert", "compute_break_even", rule=RESTART)
    assert even == pytest.approx(1000 * (0.1 + 0.05 + 0.025) / (0.9 + 0.8 - 0.5))
    dearer = three_users(row)
    for bill in dearer:  # the same users, billed on the scale of the break-even
        bill["finetune_flops"] *= even / 1000
    again = summarise(load_run(new_run(config, "again", users=dearer)))
    assert value(again, "xpert", "compute_saved_total", rule=RESTART) == pytest.approx(0, abs=1e-12)
    assert not ((summary["strategy"] == "scratch") & (summary["metric"] == "compute_break_even")).any()
    dear = [r | {"finetune_flops": 9000.0} if r["strategy"] == "xpert" else r for r in three_users(row)]
    never = summarise(load_run(new_run(config, "never", users=dear)))
    assert np.isinf(value(never, "xpert", "compute_break_even", rule=RESTART))


def test_every_interval_holds_its_mean(run_folder: Path) -> None:
    summary = summarise(load_run(run_folder))
    means = summary[~summary["metric"].str.endswith("_median")]
    assert (means["low"] <= means["mean"]).all()
    assert (means["mean"] <= means["high"]).all()
    assert set(summary["metric"]) >= {f"{m}_median" for m in MEDIANS}
    pd.testing.assert_frame_equal(summary, summarise(load_run(run_folder)))


def test_ladder_by_hand(new_run, row) -> None:
    """Of 40 texts, user 0 needs 10, user 1 needs 40 (the row of users.csv), user 2 never reaches the target."""
    reached = {0: (True, True, True), 1: (False, False, True), 2: (False, False, False)}
    users = [row(u, "xpert", texts=40, censored=not ok[2]) for u, ok in reached.items()]
    users.append(row(3, "xpert"))  # did not climb
    rungs = [
        row(u, "xpert", amount=amount, texts=texts, censored=not ok[i])
        for u, ok in reached.items()
        for i, (amount, texts) in enumerate([(0.25, 10), (0.5, 20)])
    ]
    users += [row(u, "scratch", texts=40) for u in reached]
    rungs += [row(u, "scratch", amount=0.5, texts=20, censored=u < 2) for u in reached]
    summary = summarise(load_run(new_run(users=users, ladder=rungs)))
    assert value(summary, "xpert", "data_saved") == pytest.approx((0.75 + 0 - 0.5) / 3)  # scratch: 40, 40 and 20 texts
    assert value(summary, "xpert", "data_saved", "users") == 3
    assert value(summary, "scratch", "data_saved") == value(summary, "scratch", "data_saved", "high") == 0
    assert value(summary, "xpert", "data_censored") == pytest.approx(1 / 3)


def test_ladder_is_interpolated_by_loss(new_run, row) -> None:
    """The target is 2: a quarter of the texts leaves 0.3 above it, a half 0.1 below; a zero rung counts like others."""
    users = [row(u, s, texts=40) for u in (0, 1) for s in ("scratch", "xpert")]
    rungs = [
        row(0, "xpert", amount=0.25, texts=10, best_loss=2.3, censored=True),
        row(0, "xpert", amount=0.5, texts=20, best_loss=1.9),
        row(1, "xpert", amount=0.0, texts=0, best_loss=2.1, censored=True),
        row(1, "xpert", amount=0.5, texts=20, best_loss=1.9),
    ]
    rungs += [row(u, "scratch", amount=0.5, texts=20, best_loss=2.5, censored=True) for u in (0, 1)]
    found = per_user(load_run(new_run(users=users, ladder=rungs)))["data_saved"]
    scratch = 0.5 + 0.5 * 0.5 / 0.6
    assert found["xpert"].tolist() == pytest.approx([scratch - (0.25 + 0.25 * 0.75), scratch - 0.25])
    assert (found["scratch"] == 0).all()


def test_regret_against_the_oracle(new_run, row) -> None:
    rows = [row(u, "oracle", start_loss=2.0) for u in (0, 1)]
    rows += [row(0, "random", start_loss=2.5), row(1, "random", start_loss=2.1)]
    summary = summarise(load_run(new_run(users=rows)))
    assert value(summary, "random", "regret") == pytest.approx(0.3)
    assert value(summary, "oracle", "regret") == 0


def test_phones_that_do_not_fit_are_not_billed(new_run, row) -> None:
    rows = three_users(row)
    for broken in rows[:2]:
        broken.update(fits="does_not_fit", finetune_s=None)
    summary = summarise(load_run(new_run(users=rows)))
    assert value(summary, "xpert", "fits") == pytest.approx(2 / 3)
    assert value(summary, "xpert", "compute_saved", "users") == 2
    assert value(summary, "xpert", "compute_saved") == pytest.approx((0.8 + 0.5) / 2)
    assert value(summary, "xpert", "steps_saved", "users") == 3


def test_no_scratch_one_user_all_censored(new_run, row) -> None:
    summary = summarise(load_run(new_run(users=[row(5, "xpert", censored=True)])))
    assert not summary["metric"].str.contains("saved").any()
    assert value(summary, "xpert", "reached") == 0
    assert np.isnan(value(summary, "xpert", "total_min", "low"))
    assert table(summary).row_count == 1


def test_a_lost_user_is_left_out_of_the_pairs(new_run, row) -> None:
    rows = [r for r in three_users(row) if (r["user_id"], r["strategy"]) != (2, "scratch")]
    summary = summarise(load_run(new_run(users=rows)))
    assert value(summary, "xpert", "compute_saved", "users") == 2
    assert value(summary, "xpert", "compute_saved") == pytest.approx(0.85)


def test_compare_is_paired(new_run, row) -> None:
    behind = Everyone((load_run(new_run(users=three_users(row))),)).compare("total_min", "scratch", "as trained")
    assert list(behind["strategy"]) == ["xpert"]
    assert behind["mean"][0] * 60 == pytest.approx((7000 - 2500) / 3 - 110)


def test_the_table_fits_120_columns(run_folder: Path, tmp_path: Path) -> None:
    summary = summarise(load_run(run_folder))
    console = Console(width=120, record=True, file=(tmp_path / "out").open("w"))
    console.print(table(summary))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 120
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for word in ("scratch", "random", "oracle", "xpert", "compute", "minutes"):
        assert word in text
    assert f"{100 * value(summary, 'xpert', 'compute_saved'):.1f}" in text


def test_the_file_reads_back_the_same(run_folder: Path, tmp_path: Path) -> None:
    summary = summarise(load_run(run_folder))
    summary.to_csv(tmp_path / "summary.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "summary.csv"), summary, check_dtype=False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (9.876, "9.88"),
        (83.14, "83.1"),
        (1234.5, "1234"),
        (float("nan"), "\N{EN DASH}"),
    ],
)
def test_number(given: float, expected: str) -> None:
    assert number(given) == expected


def test_interval() -> None:
    assert interval(-3.21, 4.56) == "-3.2 to 4.6"
    assert interval(-321, 4.56, between="..") == "-321..4.6"
    assert interval(81.2, 85.4) == "81 to 85"
    assert interval(1.0, 1.0) == "±0"
    assert interval(float("nan"), 1.0) == ""


@pytest.mark.benchmark
def test_many_users_take_seconds(row) -> None:
    """20,000 users and 12 strategies; 50,000 took 7 s of CPU on the machine this was written on."""
    users, names = 20_000, ["scratch", *(f"s{i}" for i in range(11))]
    frame = pd.DataFrame([row(0, s) for s in names], columns=[c.name for c in TABLES["users"]])
    frame = pd.concat([frame] * users, ignore_index=True)
    frame["user_id"] = np.repeat(np.arange(users), len(names))
    frame["finetune_flops"] = np.random.default_rng(0).random(len(frame)) + 1
    frame["correct"] = frame["correct"].astype("boolean")
    frame[["upload_s", "upload_j"]] = 0.0
    frame["taught"] = frame["correct"]
    frame[[c.name for c in TABLES["users"] if c.name not in frame and c.type is float]] = np.nan
    empty = {name: pd.DataFrame(columns=[c.name for c in TABLES[name]]) for name in
             ("ladder", "curves", "choices", "words", "pool", "cloud", "versions")}  # fmt: skip
    run = Run(folder=Path(), config=None, users=frame, **empty)
    began = time.process_time()
    summary = summarise(run)
    assert time.process_time() - began < 30
    assert value(summary, "s3", "compute_saved", "users") == users
