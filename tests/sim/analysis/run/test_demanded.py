"""Savings by the loss demanded: by hand, equal to the summary where the demand is the target, and silent beyond it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sim.analysis.run.demanded import DEMANDS, demanded, write_demanded
from sim.analysis.summary import by_key, summarise
from sim.analysis.tables import load_run, read_table
from sim.experiment.config import Config
from sim.records.tables import DEMANDED

CONFIG = Config.of({"training": {"steps": 40}})


def lane(row, user: int, strategy: str, losses: dict[int, float], **more) -> tuple[dict, list[dict]]:
    """A user whose best loss from scratch is 1: the target is 1.01, and a step costs 2 s and 3 J."""
    at = [step for step, loss in losses.items() if loss <= 1.01]
    steps = at[0] if at else 40
    bill = {"finetune_s": 2.0 * steps, "finetune_j": 3.0 * steps, "target_loss": 1.01}
    users = row(user, strategy, steps_to_target=steps, censored=not at, steps=max(losses), **bill | more)
    curve = [{"user_id": user, "strategy": strategy, "amount": 1.0, "step": s, "loss": v} for s, v in losses.items()]
    return users, curve


@pytest.fixture
def folder(new_run, row):
    """From scratch 1.06, 1.01 and 1 after 10, 20 and 30 steps; one start stops at the target, one misses it at 1.04."""
    scratch = {0: 1.5, 10: 1.06, 20: 1.01, 30: 1.0, 40: 1.2}
    lanes = [lane(row, user, "scratch", scratch) for user in (0, 1)]
    choosing = {"selection_s": 4.0, "download_s": 1.0, "selection_j": 6.0}
    lanes += [lane(row, 0, "xpert", {0: 1.08, 10: 1.005}, **choosing)]
    lanes += [lane(row, 1, "xpert", {0: 1.2, 10: 1.04, 25: 1.05}, **choosing)]
    return new_run(CONFIG, users=[user for user, _ in lanes], curves=[point for _, c in lanes for point in c])


def saved(table: pd.DataFrame, above: float, rule: str, metric: str = "steps_saved") -> float:
    (found,) = table[(table["above"] == above) & (table["rule"] == rule) & (table["metric"] == metric)]["mean"]
    return float(found)


def test_by_hand(folder) -> None:
    table = demanded(load_run(folder))
    assert [saved(table, 0.01, rule) for rule in ("restart", "as trained", "at budget")] == pytest.approx(
        [(0.5 + 1 - 45 / 20) / 2, (0.5 + 1 - 25 / 20) / 2, (0.5 + 1 - 40 / 20) / 2]
    )
    assert saved(table, 0.06, "restart") == pytest.approx(0)  # all of them after 10 steps
    assert saved(table, 0.08, "restart") == pytest.approx((1 + 0) / 2)
    assert saved(table, 0.06, "restart", "time_saved_total") == pytest.approx(-5 / 20)
    assert saved(table, 0.06, "restart", "energy_saved_total") == pytest.approx(-6 / 30)
    reached = table.drop_duplicates("above").set_index("above")["reached"]
    assert reached.loc[[0.01, 0.035, 0.04, 0.1]].tolist() == [0.5, 0.5, 1.0, 1.0]


def test_what_was_ended_at_the_target_says_nothing_of_lower_losses(folder) -> None:
    assert demanded(load_run(folder))["above"].min() == 0.005  # at 1.005, where one training was ended


def test_at_the_target_it_is_the_summary(folder) -> None:
    run = load_run(folder)
    table = demanded(run)
    for rule in ("restart", "as trained", "at budget"):
        found = by_key(summarise(run), rule)
        for metric in ("steps_saved", "time_saved_total", "energy_saved_total"):
            assert saved(table, 0.01, rule, metric) == pytest.approx(found["xpert", metric]["mean"])


def test_it_is_written_where_there_are_curves(folder, new_run, row) -> None:
    write_demanded(load_run(folder))
    kept = read_table(folder / "demanded.csv", DEMANDED)
    assert len(kept) == len(demanded(load_run(folder)))
    assert set(kept["above"]) <= set(DEMANDS)
    bare = new_run(name="bare", users=[row(0, "scratch"), row(0, "xpert")])
    write_demanded(load_run(bare))
    assert not (bare / "demanded.csv").exists()


def test_users_without_results_are_left_out(new_run, row) -> None:
    """Of a user who failed nothing is known; who is under the demand from scratch at once can save nothing."""
    lanes = [
        lane(row, u, s, {0: 1.5 if s == "scratch" else 1.1, 10: 1.0}) for u in (0, 1) for s in ("scratch", "xpert")
    ]
    users, curves = [user for user, _ in lanes], [point for _, c in lanes for point in c]
    unknown = dict.fromkeys(("start_loss", "target_loss", "final_loss", "best_loss", "steps_to_target", "censored"))
    users[3] |= {**unknown, "fits": "failed", "finetune_s": None, "finetune_j": None}
    curves = [point for point in curves if (point["user_id"], point["strategy"]) != (1, "xpert")]
    table = demanded(load_run(new_run(CONFIG, users=users, curves=curves)))
    assert (table["users"] == 1).all()
    assert np.isnan(table["low"]).all()
