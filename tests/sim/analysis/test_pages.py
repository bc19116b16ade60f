"""What a person looks at: figures, explanations, the report."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from sim.analysis import draw_all, gallery, load_run
from sim.analysis.explain import explanation as explain
from sim.analysis.run import report
from sim.analysis.run.plots import held
from sim.analysis.run.verdict import nobody_chose, setting
from sim.common.errors import UserError
from sim.experiment.config import Config
from tests.sim.analysis.conftest import write_run


def test_every_figure_is_drawn(run_folder: Path, tmp_path: Path) -> None:
    paths = draw_all(load_run(run_folder), tmp_path / "plots", pdf=True)
    names = {"savings", "learning_curves", "where_time_goes", "data_ladder", "phones"}
    assert {p.stem for p in paths} == names
    for path in paths:
        assert path.stat().st_size > 5000
        if path.suffix == ".png":
            pixels = imread(path)
            assert pixels.shape[1] == 1400
            assert np.ptp(pixels[..., :3]) > 0.5


def test_figures_without_their_data_are_left_out(new_run, row, tmp_path: Path) -> None:
    run = load_run(new_run(users=[row(0, "xpert")]))
    assert {p.stem for p in draw_all(run, tmp_path)} == {"where_time_goes", "phones"}
    run = load_run(new_run(users=[row(1, "xpert", fits="too small", finetune_s=None)]))
    assert {p.stem for p in draw_all(run, tmp_path)} == {"where_time_goes", "phones"}


def test_a_run_whose_phones_are_all_too_small(new_run, row, tmp_path: Path) -> None:
    small = {"fits": "does_not_fit: train needs 2 GB", "finetune_s": None, "finetune_j": None}
    folder = new_run(users=[row(u, s, **small) for u in (0, 1) for s in ("scratch", "xpert")])
    assert draw_all(load_run(folder), tmp_path) == []
    assert "nothing is billed" in report(folder).read_text()
    said = " ".join(explain(load_run(folder), 0, "xpert").text().split())
    assert "this phone has too little memory: train needs 2 GB." in said


def test_done_users_keep_their_last_loss(run_folder: Path) -> None:
    curves = load_run(run_folder).curves
    losses = held(curves[curves["strategy"] == "oracle"], 80)
    assert losses[80].notna().all()
    first = curves[(curves["strategy"] == "oracle") & (curves["user_id"] == 0)]
    assert losses.loc[0, 80] == first["loss"].iloc[-1]


def test_explain_in_words(run_folder: Path, tmp_path: Path) -> None:
    run = load_run(run_folder)
    e = explain(run, 3)
    sizes = [z for _, z in e.words]
    assert sizes == sorted(sizes, reverse=True)
    assert set(e.chosen_words) == set(e.chosen)
    assert e.candidates[0].pllm == e.chosen[0]
    assert e.runners_up[0].rank == 2
    text = e.text()
    top = e.words[0][0]
    assert f"{top} " in text
    assert e.chosen[0] in text
    assert e.runners_up[0].pllm in text
    assert e.style in text
    assert max(map(len, text.splitlines())) <= 92
    assert e.save(tmp_path / "e.png").stat().st_size > 10_000


def test_explain_cost_by_hand(new_run, row) -> None:
    cost = {"selection_s": 60.0, "download_s": 30.0, "finetune_s": 90.0, "finetune_j": 500.0, "bytes_down": 2e6}
    e = explain(load_run(new_run(users=[row(0, "scratch"), row(0, "xpert", **cost)])), 0)
    assert (e.cost.selection_min, e.cost.download_min, e.cost.finetune_min) == (1, 0.5, 1.5)
    assert e.cost.total_min == 3
    assert "70.0 % less time" in e.text()
    assert "75.0 % less energy" in e.text()


def test_explain_a_merge_and_a_strategy_without_reasons(new_run, row) -> None:
    pool = [{"pllm": p, "style": s, "similarity": 0.8, "texts": 1, "steps": 1, "loss": 1.0, "bytes": 1.0}
            for p, s in (("a", "x"), ("b", "y"), ("c+d", "z"))]  # fmt: skip
    users = [row(0, "merge", chosen="a+b", correct=True), row(1, "merge", chosen="c+d", correct=False)]
    run = load_run(new_run(users=users, pool=pool))
    assert explain(run, 0, "merge").chosen == ("a", "b")
    assert "a (style x) merged with b (style y)" in explain(run, 0, "merge").text()
    assert explain(run, 1, "merge").chosen == ("c+d",)
    assert "p0 is closer" in explain(run, 1, "merge").text()
    assert "no reasons in words" in explain(run, 1, "merge").text()
    assert explain(run, 1, "merge").figure().axes


def test_explain_scratch(run_folder: Path) -> None:
    text = explain(load_run(run_folder), 0, "scratch").text()
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
    said = " ".join(explain(load_run(new_run(users=users)), 0).text().split())
    assert "Nobody trained in this run, so the steps to the target are not known" in said
    assert "It cost 10.0 minutes in all" in said
    assert "measured steps" not in said
    assert "From scratch it takes" not in said
    assert "than from scratch" not in said


def test_explain_a_user_who_failed(new_run, row) -> None:
    failed = {k: None for k in row(0, "xpert") if k not in ("user_id", "strategy", "phone", "texts", "style", "amount")}
    users = [row(0, "scratch"), {**row(0, "xpert"), **failed, "fits": "failed: ValueError: no luck"}]
    e = explain(load_run(new_run(users=users)), 0)
    said = " ".join(e.text().split())
    assert said.endswith("Nothing was measured or billed, for the simulation of this user failed: ValueError: no luck.")
    assert "memory" not in said
    assert "Chosen start" not in said
    assert e.figure().axes


def test_a_candidate_without_a_score_is_not_drawn(new_run, row) -> None:
    scores = (("a", 0.1), ("b", 0.3), ("bad", None))
    choices = [
        {"user_id": 0, "strategy": "exhaustive", "pllm": p, "score": s, "rank": i} for i, (p, s) in enumerate(scores, 1)
    ]
    run = load_run(new_run(users=[row(0, "exhaustive", chosen="a", correct=True)], choices=choices))
    axes = explain(run, 0, "exhaustive").figure().axes[1]
    assert len(axes.get_yticklabels()) == 2
    assert "1 more not shown" in axes.get_xlabel()


@pytest.mark.parametrize(
    ("similarities", "said"),
    [
        ([0.6] * 3, "The pool has 3 pLLMs at 60 % similarity."),
        ([0.6, 0.7, 0.9], "The pool has 3 pLLMs at 60 to 90 % similarity."),
        ([0.8], "The pool has 1 pLLM at 80 % similarity."),
        ([], "The pool is empty."),
    ],
)
def test_the_pool_is_described_as_it_was(tmp_path: Path, row, similarities: list[float], said: str) -> None:
    """Not as in the config, which may say 'auto', or name a folder."""
    pool = [
        {"pllm": f"p{i}", "style": "x", "similarity": s, "texts": 1, "steps": 1, "loss": 1.0, "bytes": 1.0}
        for i, s in enumerate(similarities)
    ]
    config = Config.of({"pool": {"path": "somewhere"}})
    run = load_run(write_run(tmp_path / "run", config, users=[row(0, "scratch"), row(0, "xpert")], pool=pool))
    assert any(said in sentence for sentence in setting(run))
    assert bool(nobody_chose(run)) == (not similarities)


def test_gallery_runs_from_best_to_worst(run_folder: Path) -> None:
    shown = gallery(load_run(run_folder), "xpert", 5)
    saved = [1 - e.cost.total_min / e.scratch.total_min for e in shown if e.scratch]
    assert len(saved) == 5
    assert saved == sorted(saved, reverse=True)


class Checker(HTMLParser):
    """Every tag closed, nothing fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)
        self.sources += [v or "" for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_is_one_file(run_folder: Path) -> None:
    path = report(run_folder)
    assert path == run_folder / "report.html"
    html = path.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert all(s.startswith(("data:image/png;base64,", "#")) for s in checker.sources)
    assert not re.search(r"https?://|@import|url\(", html)
    assert "xpert won" in html
    assert len(re.findall("<h3>User", html)) == 5
    assert html.count("<img") == 10


def test_report_of_very_little(new_run, row) -> None:
    html = report(new_run(users=[row(0, "xpert", style="<b>&")])).read_text()
    assert "Nothing can be compared" in html
    assert "&lt;b&gt;&amp;" in html
    assert "<b>&" not in html
