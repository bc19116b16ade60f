"""The verdict ranks scratch like any strategy, names the oracle's place and the rule, leads with the worst saving."""

from __future__ import annotations

from sim.analysis.run.verdict import verdict
from sim.analysis.summary import summarise
from sim.analysis.tables import load_run


def found(new_run, row, tuning: dict[str, float], choosing: float, **more) -> tuple[str, str, str]:
    """Best, metric and sentences for six users: what fine-tuning takes of 1000 from scratch, and what choosing does."""
    users = []
    for user in range(6):
        users.append(row(user, "scratch", finetune_flops=1000.0, finetune_s=1000.0, finetune_j=1000.0))
        for strategy, cost in tuning.items():
            bill = dict.fromkeys(("finetune_flops", "finetune_s", "finetune_j"), cost + user)
            bill["selection_flops"] = choosing if strategy == "xpert" else 0.0
            users.append(row(user, strategy, **bill, **more))
    run = load_run(new_run(users=users))
    said = verdict(run, summarise(run))
    return said.best, said.metric, " ".join(said.sentences)


def test_scratch_may_be_best(new_run, row) -> None:
    best, metric, said = found(new_run, row, {"xpert": 500.0, "oracle": 100.0}, 700.0)
    assert (best, metric) == ("scratch", "compute_saved_total")  # by time xpert would save half
    assert "scratch is best: once choosing is paid for, no start saves compute." in said
    assert "xpert comes closest and takes 20.2 % (95 % interval 20 to 20) more." in said
    assert "would be number 1 with 89." in said
    assert "'restart'" in said
    assert "49.8 % (95 % interval 50 to 50) of the time on the phone" in said


def test_who_is_best_and_by_how_much(new_run, row) -> None:
    best, _, said = found(new_run, row, {"random": 1500.0, "xpert": 500.0, "oracle": 700.0}, 100.0)
    assert best == "xpert"
    assert "In order: xpert 39.8 %, scratch 0 %, random -50.2 %." in said
    assert "The oracle, which is told the style, would be number 2 with 29." in said
    assert "The next, scratch, is behind by 39.8 percentage points" in said
    assert "Choosing pays from" in said


def test_misses_are_told_with_their_gap(new_run, row) -> None:
    missed = {"censored": True, "best_loss": 2.1, "steps": 10}
    best, _, said = found(new_run, row, {"xpert": 500.0}, 100.0, **missed)
    assert best == "scratch"
    assert "100 % of its users miss the target, by 5.00 % of the loss on average." in said
    assert "Choosing never pays" in said
