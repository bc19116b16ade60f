"""One user's start explained: as data, in words, as a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.analysis.explain.chart import chart
from sim.analysis.explain.explanation import explain, gallery
from sim.analysis.explain.text import page
from sim.analysis.look.figures import save
from sim.analysis.tables import load_run
from sim.common.errors import UserError


def test_explain_in_words(run_folder: Path, tmp_path: Path) -> None:
    run = load_run(run_folder)
    e = explain(run, 3)
    sizes = [z for _, z in e.words]
    assert sizes == sorted(sizes, reverse=True)
    assert set(e.chosen_words) == set(e.chosen)
    assert e.candidates[0].pllm == e.chosen[0]
    assert e.runners_up[0].rank == 2
    text = page(e)
    top = e.words[0][0]
    assert f"{top} " in text
    assert e.chosen[0] in text
    assert e.runners_up[0].pllm in text
    assert e.style in text
    assert max(map(len, text.splitlines())) <= 92
    assert save(chart(e), tmp_path / "e.png").stat().st_size > 10_000


def test_explain_cost_by_hand(new_run, row) -> None:
    cost = {"selection_s": 60.0, "download_s": 30.0, "finetune_s": 90.0, "finetune_j": 500.0, "bytes_down": 2e6}
    e = explain(load_run(new_run(users=[row(0, "scratch"), row(0, "xpert", **cost)])), 0)
    assert (e.cost.selection_min, e.cost.download_min, e.cost.finetune_min) == (1, 0.5, 1.5)
    assert e.cost.total_min == 3
    assert "70.0 % less time" in page(e)
    assert "75.0 % less energy" in page(e)


def test_who_misses_pays_for_scratch_too(new_run, row) -> None:
    """Five of the ten steps of the budget, billed 600 s, were trained; from scratch it takes another 600 s."""
    e = explain(load_run(new_run(users=[row(0, "scratch"), row(0, "xpert", censored=True, steps=5)])), 0)
    assert (e.cost.steps, e.cost.missed) == (5, True)
    assert e.cost.finetune_min == (300 + 600) / 60
    said = " ".join(page(e).split())
    assert "not reached in 5 measured steps. From scratch it takes 10, which are paid too (rule restart)." in said
    assert "50.0 % more time than from scratch" in said


def test_explain_a_merge_and_a_strategy_without_reasons(new_run, row) -> None:
    pool = [{"pllm": p, "style": s, "similarity": 0.8, "texts": 1, "steps": 1, "loss": 1.0, "bytes": 1.0}
            for p, s in (("a", "x"), ("b", "y"), ("c+d", "z"))]  # fmt: skip
    users = [row(0, "merge", chosen="a+b", correct=True), row(1, "merge", chosen="c+d", correct=False)]
    run = load_run(new_run(users=users, pool=pool))
    assert explain(run, 0, "merge").chosen == ("a", "b")
    assert "a (style x) merged with b (style y)" in page(explain(run, 0, "merge"))
    assert explain(run, 1, "merge").chosen == ("c+d",)
    assert "p0 is closer" in page(explain(run, 1, "merge"))
    assert "no reasons in words" in page(explain(run, 1, "merge"))
    assert chart(explain(run, 1, "merge")).axes


def test_explain_scratch(run_folder: Path) -> None:
    text = page(explain(load_run(run_folder), 0, "scratch"))
    assert "from scratch" in text
    assert "saved" not in text


def test_explain_names_what_is_there(run_folder: Path) -> None:
    run = load_run(run_folder)
    with pytest.raises(UserError, match="40 users from 0 to 39"):
        explain(run, 99)
    with pytest.raises(UserError, match=r"'xpret'.*Did you mean 'xpert'"):
        explain(run, 0, "xpret")


def test_explain_a_user_of_a_run_in_which_nobody_trained(new_run, row) -> None:
    unknown = dict.fromkeys(("start_loss", "target_loss", "final_loss", "best_loss", "steps_to_target", "censored"))
    users = [row(0, s, steps=0, billed_steps=1000.0, **unknown) for s in ("scratch", "xpert")]
    said = " ".join(page(explain(load_run(new_run(users=users)), 0)).split())
    assert "Nobody trained in this run, so the steps to the target are not known" in said
    assert "It cost 10.0 minutes in all" in said
    assert "measured steps" not in said
    assert "From scratch it takes" not in said
    assert "than from scratch" not in said


def test_explain_a_user_who_failed(new_run, row) -> None:
    failed = {k: None for k in row(0, "xpert") if k not in ("user_id", "strategy", "phone", "texts", "style", "amount")}
    users = [row(0, "scratch"), {**row(0, "xpert"), **failed, "fits": "failed", "why": "ValueError: no luck"}]
    e = explain(load_run(new_run(users=users)), 0)
    said = " ".join(page(e).split())
    assert said.endswith("Nothing was measured or billed, for the simulation of this user failed: ValueError: no luck.")
    assert "memory" not in said
    assert "Chosen start" not in said
    assert chart(e).axes


def test_a_candidate_without_a_score_is_not_drawn(new_run, row) -> None:
    scores = (("a", 0.1), ("b", 0.3), ("bad", None))
    choices = [
        {"user_id": 0, "strategy": "exhaustive", "pllm": p, "score": s, "rank": i} for i, (p, s) in enumerate(scores, 1)
    ]
    run = load_run(new_run(users=[row(0, "exhaustive", chosen="a", correct=True)], choices=choices))
    axes = chart(explain(run, 0, "exhaustive")).axes[1]
    assert len(axes.get_yticklabels()) == 2
    assert "1 more not shown" in axes.get_xlabel()


def test_gallery_runs_from_best_to_worst(run_folder: Path) -> None:
    shown = gallery(load_run(run_folder), "xpert", 5)
    saved = [1 - e.cost.total_min / e.scratch.total_min for e in shown if e.scratch]
    assert len(saved) == 5
    assert saved == sorted(saved, reverse=True)
