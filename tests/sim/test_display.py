"""What the progress lines say of a run while it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.analysis.measures import per_user
from sim.analysis.tables import load_run
from sim.display import Log, Savings
from sim.messages import Job
from tests.sim.analysis.conftest import user_row, write_run

SMALL = {"fits": "does_not_fit"}
FAILED = {"fits": "failed", "steps_to_target": None, "finetune_flops": None}


def rows(strategy: str, *changes: dict[str, Any]) -> list[dict[str, Any]]:
    return [user_row(user, strategy, **change) for user, change in enumerate(changes)]


def as_recorded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: "" if cell is None else cell for name, cell in row.items()}


def test_savings_so_far_are_those_of_the_summary(tmp_path: Path) -> None:
    scratch = rows("scratch", *({"finetune_flops": flops} for flops in (100.0, 200.0, 0.0, 100.0)), SMALL, FAILED)
    missed = {"censored": True, "steps": 4, "steps_to_target": 10, "finetune_flops": 302.5}  # 121 for what was trained
    bills = ({"finetune_flops": 50.0}, missed, {"finetune_flops": 50.0}, FAILED, SMALL, {"finetune_flops": 1.0})
    xpert = rows("xpert", *({"selection_flops": 10.0} | bill for bill in bills))
    savings = Savings()
    for strategy, some in (("scratch", scratch), ("xpert", xpert)):
        savings.add(Job(0, strategy, tuple(range(6))), [as_recorded(row) for row in some])
    assert str(savings) == "xpert -13%"
    saved = per_user(load_run(write_run(tmp_path / "run", users=[*scratch, *xpert])))["compute_saved_total"]["xpert"]
    assert saved.mean() == pytest.approx((0.4 + (1 - (10 + 121 + 200) / 200)) / 2)


def test_savings_forget_users_of_long_ago() -> None:
    savings = Savings()
    for first in range(0, 3 * Savings.MOST, 1000):
        users = tuple(range(first, first + 1000))
        for strategy, flops in (("scratch", 10.0), ("random", 5.0)):
            savings.add(Job(0, strategy, users), [user_row(u, strategy, finetune_flops=flops) for u in users])
        assert len(savings._scratch) <= Savings.MOST
    assert str(savings) == "random 50%"


def test_a_line_says_what_the_savings_are_of(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    log.started(jobs=2, users=1)
    log.EVERY_S = 0.0
    log.finished(Job(0, "scratch", (0,)), {"users": [user_row(0, "scratch")]})
    log.finished(Job(1, "xpert", (0,)), {"users": [user_row(0, "xpert", finetune_flops=200.0)]})
    _, first, second = capsys.readouterr().out.splitlines()
    assert "1/2 jobs" in first
    assert "saved" not in first
    assert second.endswith("users/s, compute saved, choosing included (rule restart): xpert 80%")
