"""What was dropped or put right in what a run reads: said once while it runs, and kept in its manifest."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from sim.cloud.preparation import open_texts
from sim.cloud.run import serve_run
from sim.display import Live, Log
from sim.experiment.config import Config
from sim.records.folder import make_folder
from tests.runs import Inline, tiny_overrides

NIGHT = "2020-03-01 22:00:00\tbattery_charged_on\n2020-03-01 22:05:00\twifi\n2020-03-01 22:10:00\tscreen_lock\n"


def test_remarks_are_said_and_recorded(tiny_llm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"p {i // 2}", "answer": f"{s} {i}", "style": s} for s in ("plain", "rude") for i in range(80)]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    clients = {"a": {"messages": NIGHT}, "b": {"messages": NIGHT + "2020-03-02 06:00:00\tscreen_unlock\n"}}
    (tmp_path / "t.json").write_text(json.dumps(clients))
    own = ["corpus.source=jsonl", f"corpus.path={tmp_path / 'c.jsonl'}", "corpus.default=plain", "pool.size=1"]
    more = [f"population.availability={tmp_path / 't.json'}", "strategies=scratch,random"]
    config = Config.load(None, [*tiny_overrides(tiny_llm, tmp_path / "out"), *own, *more])
    folder = make_folder(config, "run")
    serve_run(open_texts(config), folder, Log(), Inline())
    remarks = json.loads((folder / "manifest.json").read_text())["remarks"]
    assert len(remarks) == 2
    assert "160 of 160 rows have the same prompt" in remarks[0]
    assert "clients that are never available: 1, in 1 of 2 clients (first 'a')" in remarks[1]
    said = capsys.readouterr().out
    assert [said.count(remark) for remark in remarks] == [1, 1]


def test_the_runs_of_a_sweep_say_it_once(capsys: pytest.CaptureFixture[str]) -> None:
    log, out = Log(), io.StringIO()
    for _ in range(2):
        log.remark("[/] 3 rows")
    assert capsys.readouterr().out.count("[/] 3 rows") == 1
    with Live(Console(file=out, width=200, force_terminal=True, color_system=None, emoji=False, markup=False)) as live:
        for _ in range(2):
            live.remark("[/] 3 rows")
    assert out.getvalue().count("[/] 3 rows") == 1
