"""Rules: what a user pays who misses the target, by hand; and that `restart` depends on no budget."""

from __future__ import annotations

import numpy as np
import pytest

from sim.analysis.measures import per_user
from sim.analysis.rules import RULES, Tuning, as_trained, at_budget, restart
from sim.analysis.tables import load_run


def test_by_hand() -> None:
    """One user reaches the target for 300; one misses it: trained 25 of 60 steps for 10 each, from scratch 200."""
    t = Tuning.of([300.0, 600.0], [30, 60], [45, 25], [False, True], [250.0, 200.0])
    assert restart(t).tolist() == [300, 250 + 200]
    assert as_trained(t).tolist() == [300, 250]
    assert at_budget(t).tolist() == [300, 600]


def test_what_is_not_needed_need_not_be_known() -> None:
    """At the target before the first step: a step has no price. Nobody trained: nobody is known to have missed."""
    t = Tuning.of([0.0, 500.0], [0, np.nan], [0, 0], [False, np.nan], [np.nan, np.nan])
    for rule in RULES.values():
        assert rule(t).tolist() == [0, 500]
    assert np.isnan(restart(Tuning.of(600.0, 60, 25, True, np.nan)))


@pytest.mark.parametrize("budget", [30, 40, 60, 120, 240])
def test_only_at_budget_depends_on_the_budget(new_run, row, budget: int) -> None:
    """Patience ends a training after 25 steps, and from scratch it takes 20, so -125 % whatever the budget was."""
    billed = {"finetune_flops": 10.0 * budget, "finetune_s": 20.0 * budget, "finetune_j": 30.0 * budget}
    missed = row(0, "random", steps_to_target=budget, steps=25, censored=True, **billed)
    scratch = row(0, "scratch", steps_to_target=20, steps=35, finetune_flops=200, finetune_s=400, finetune_j=600)
    run = load_run(new_run(users=[scratch, missed]))
    for saving in ("steps_saved", "compute_saved", "time_saved", "energy_saved", "compute_saved_total"):
        found = {rule: per_user(run, rule)[saving].loc[0, "random"] for rule in RULES}
        assert found == pytest.approx({"restart": -1.25, "as trained": -0.25, "at budget": 1 - budget / 20})


def test_scratch_is_never_started_again(new_run, row) -> None:
    rows = [row(0, s, censored=True, steps=4) for s in ("scratch", "xpert")]
    steps = per_user(load_run(new_run(users=rows)))["steps"]
    assert steps.loc[0].tolist() == [10, 4 + 10]


def test_without_scratch_a_miss_has_no_price(new_run, row) -> None:
    """Then a mean over the others would be no mean over users, so there is none."""
    run = load_run(
        new_run(users=[row(u, s, censored=u == 0 and s == "random") for u in (0, 1) for s in ("random", "x")])
    )
    assert per_user(run)["total_min"].notna().all().to_dict() == {"random": False, "x": True}
    assert per_user(run)["total_min"]["random"].isna().all()
    assert per_user(run, "as trained")["total_min"].notna().all(axis=None)
