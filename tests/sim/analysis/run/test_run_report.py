"""The report of a run: one file, whole where much is missing, and true to what was run."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sim.analysis.explain.explanation import explain
from sim.analysis.explain.text import page
from sim.analysis.look import explorer as explorers
from sim.analysis.look.library import MISSING, library
from sim.analysis.run import report as reports
from sim.analysis.run.plots import draw_all
from sim.analysis.run.report import report
from sim.analysis.run.verdict import nobody_chose, setting
from sim.analysis.summary import number, summarise
from sim.analysis.tables import load_run
from sim.experiment.config import Config
from tests.sim.analysis.conftest import write_run


def test_a_run_whose_phones_are_all_too_small(new_run, row, tmp_path: Path) -> None:
    small = {"fits": "does_not_fit", "why": "train needs 2 GB", "finetune_s": None, "finetune_j": None}
    folder = new_run(users=[row(u, s, **small) for u in (0, 1) for s in ("scratch", "xpert")])
    assert draw_all(load_run(folder), tmp_path) == []
    assert "nothing is billed" in report(folder).read_text()
    said = " ".join(page(explain(load_run(folder), 0, "xpert")).split())
    assert "this phone has too little memory: train needs 2 GB." in said


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
    own = html.replace(library(), "")
    assert not re.search(r"https?://|@import|url\(", own)
    assert "xpert is best" in html
    assert len(re.findall("<h3>User", html)) == 5
    assert own.count("<img") == 9


def test_report_without_the_library_has_pictures_and_says_so(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (explorers, reports):
        monkeypatch.setattr(module, "library", lambda: "")
    html = report(run_folder).read_text(encoding="utf-8")
    assert MISSING.partition(":")[0] in html
    assert html.count("<img") == 11
    assert html.count("<script") == 1


def test_how_good_explanations_are_is_what_the_summary_says(run_folder: Path) -> None:
    html = " ".join(report(run_folder).read_text(encoding="utf-8").split())
    summary = summarise(load_run(run_folder)).set_index(["strategy", "metric"])["mean"]
    precision, chance = (number(100 * summary["xpert", f"word_{of}"]) for of in ("precision", "chance"))
    said = f"{precision} % of the first three words are true of them, where chance is {chance} %"
    assert said in html
    assert said in " ".join(page(explain(load_run(run_folder), 0, "xpert")).split())


def test_report_of_very_little(new_run, row) -> None:
    html = report(new_run(users=[row(0, "xpert", style="<b>&")])).read_text()
    assert "Nothing can be compared" in html
    assert "How good explanations are" not in html
    assert "&lt;b&gt;&amp;" in html
    assert "<b>&" not in html
