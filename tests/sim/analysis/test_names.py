"""Names of styles, strategies and phones that are syntax elsewhere: drawn, reported, explained and printed as text."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from sim.analysis.explain.explanation import explain
from sim.analysis.look.page import Section, document
from sim.analysis.run import report as reports
from sim.analysis.run.plots import draw
from sim.analysis.sweep import report as sweep_reports
from sim.analysis.sweep.table import SHOWN, load_sweep
from sim.analysis.tables import load_run, read_table
from sim.cli import app
from sim.common.errors import UserError
from sim.common.names import file_name
from sim.experiment.config import Config
from sim.records.tables import USERS
from tests.sim.analysis.conftest import population, user_row, write_run

STRATEGIES = {
    "scratch": "scratch",
    "random": "_$\\foo{$",
    "oracle": "users",
    "xpert": "[/b] <script>alert(1)</script>/../x",
}
PHONES = {"oneplus-12r": "=1+1", "samsung-galaxy-a54": "pays US$5_$", "xiaomi-redmi-note-12": '"NA", fits'}
POOL = {"pllm-00": "C++", "pllm-01": "x", "pllm-02": "NA"}


@pytest.fixture
def odd_run(tmp_path: Path) -> Path:
    """A run of 8 users with every table, all names odd."""
    renamed = STRATEGIES | PHONES | POOL

    def change(row: dict[str, Any]) -> dict[str, Any]:
        return {key: renamed.get(cell, cell) if isinstance(cell, str) else cell for key, cell in row.items()}

    tables = {name: [change(row) for row in rows] for name, rows in population(8, list(STRATEGIES)).items()}
    options = {name: {"use": kind} for kind, name in STRATEGIES.items() if kind != "scratch"}
    config = Config.of({"strategies": list(STRATEGIES.values()), "options": options})
    return write_run(tmp_path / "run", config, **tables)


def test_every_figure_has_every_name_as_text(odd_run: Path) -> None:
    run = load_run(odd_run)
    for name in ("learning_curves", "data_ladder", "phones"):
        figure = draw(name, run)
        assert figure is not None
        for legend in figure.legends:
            shown = [text.get_text().strip() for text in legend.get_texts()]
            assert [s for s in STRATEGIES.values() if not any(text.startswith(s) for text in shown)] == [], name


def test_report_and_explanation(odd_run: Path) -> None:
    html = reports.report(odd_run).read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "=1+1" in html
    found = explain(load_run(odd_run), 0, STRATEGIES["xpert"])
    assert found.words


def test_a_figure_lies_in_its_folder_whatever_the_strategy_is_called(odd_run: Path) -> None:
    done = CliRunner().invoke(app, ["explain", str(odd_run), "0", "--strategy", STRATEGIES["xpert"]])
    assert done.exit_code == 0
    (picture,) = (odd_run / "plots").iterdir()
    assert picture.name == f"explain-user-0-{file_name(STRATEGIES['xpert'])}.png"


def test_pllms_with_a_plus_in_their_ids_are_told_apart(new_run: Callable[..., Path]) -> None:
    pool = [
        {"pllm": p, "style": p, "similarity": 0.8, "texts": 1, "steps": 1, "loss": 1.0, "bytes": 1.0}
        for p in ("C++", "x", "a+b")
    ]
    chosen = {0: "C++", 1: "C+++x", 2: "a+b+x", 3: "x", 4: "gone+x"}
    run = load_run(new_run(users=[user_row(u, "merge", chosen=c) for u, c in chosen.items()], pool=pool))
    found = [explain(run, user, "merge").chosen for user in chosen]
    assert found == [("C++",), ("C++", "x"), ("a+b", "x"), ("x",), ("gone", "x")]


def test_a_page_runs_its_own_script_alone() -> None:
    html = document("a", ["b"], [Section("By a,b", "x"), Section("By a-b", "y")])
    (script,) = re.findall("<script>(.*?)</script>", html, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in html
    anchors = re.findall('<section id="([^"]*)"', html)
    assert len(set(anchors)) == 2
    assert re.findall('href="#([^"]*)"', html) == anchors


def test_keys_and_values_of_a_sweep_are_text(tmp_path: Path) -> None:
    key = 'a"><script>alert(1)</script>'
    row = {metric + part: 1.0 for metric in SHOWN for part in ("", "_low", "_high", "_median")}
    runs = [
        {"folder": f, key: v, "n": n, "strategy": s, "rule": "restart", "users": 2, **row}
        for f, v, n in (("f", "01", 1), ("g", "1", 2.5)) for s in ("scratch", "_$x$")
    ]  # fmt: skip
    pd.DataFrame(runs).to_csv(tmp_path / "runs.csv", index=False)
    sweep = load_sweep(tmp_path)
    assert sweep.rows[key].tolist() == ["01", "01", "1", "1"]
    assert sweep.rows["n"].tolist() == [1.0, 1.0, 2.5, 2.5]
    html = sweep_reports.report(tmp_path).read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert 'id="a' not in html


def test_what_a_terminal_would_obey_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path, users=[user_row(0, "xpert", style="\x1b[2J")])
    with pytest.raises(UserError, match=r"users\.csv: column 'style' has control characters"):
        read_table(folder / "users.csv", USERS)
    with pytest.raises(UserError, match="control characters"):
        Config.of({"strategies": ["scratch", "\x1b[2J"]})
