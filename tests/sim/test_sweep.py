"""A sweep: neither a kill nor a second call changes what comes out."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from sim.analysis.sweep.report import report
from sim.analysis.sweep.table import load_sweep
from sim.cli import app
from sim.cloud.check import prepare
from sim.display import Log
from sim.engine import start
from sim.experiment.grid import grid
from sim.llm.training.finetune import finetune
from sim.records.folder import make_folder
from sim.sweep import sweep
from tests.runs import same_tables, serve, tiny_overrides

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "configs" / "quickstart.toml"
GRID = ["pool.size=1,2", "seed=0,1", "ladder.users=0", "name=s"]


@pytest.fixture(scope="module")
def undisturbed(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that nothing happened to."""
    output = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        points = grid(QUICKSTART, [*tiny_overrides(tiny_llm, output), *GRID])
        assert sweep(points, Log()) == []
    return output / "s"


def same_sweeps(left: Path, right: Path) -> None:
    assert (left / "runs.csv").read_bytes() == (right / "runs.csv").read_bytes()
    runs = sorted(p.name for p in left.iterdir() if p.is_dir())
    assert runs == sorted(p.name for p in right.iterdir() if p.is_dir())
    for name in runs:
        same_tables(left / name, right / name)


def test_runs_csv_has_a_row_for_each_run_and_strategy(undisturbed: Path) -> None:
    table = load_sweep(undisturbed)
    assert table.keys == ("pool.size", "seed")
    assert table.rows[["pool.size", "seed", "strategy"]].to_numpy().tolist() == [
        [size, seed, strategy] for size in (1, 2) for seed in (0, 1) for strategy in ("scratch", "random", "oracle")
    ]
    for row in table.rows.to_dict("records"):
        summary = pd.read_csv(undisturbed / row["folder"] / "summary.csv").set_index(["strategy", "metric"])
        assert row["total_min"] == pytest.approx(summary.loc[(row["strategy"], "total_min"), "mean"])
        assert row["total_min_low"] <= row["total_min"] <= row["total_min_high"]
    assert table.setting("pool.size", table.rows["folder"][0]) == 1


def test_finished_runs_are_skipped(undisturbed: Path, tiny_llm: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in undisturbed.rglob("users.csv")}
    points = grid(QUICKSTART, [*tiny_overrides(tiny_llm, undisturbed.parent), *GRID])

    class Nobody(Log):
        def run(self, number: int, of: int, label: str, before: int, jobs: int) -> None:
            raise AssertionError(label)

    runs = (undisturbed / "runs.csv").read_bytes()
    assert sweep(points, Nobody()) == []
    assert {p: p.stat().st_mtime_ns for p in undisturbed.rglob("users.csv")} == before
    assert (undisturbed / "runs.csv").read_bytes() == runs


def test_a_run_that_fails_does_not_stop_the_others(tiny_llm: Path, tmp_path: Path) -> None:
    points = grid(QUICKSTART, [*tiny_overrides(tiny_llm, tmp_path), *GRID[2:], "pool.lr=0.003,1e30"])
    (failure,) = sweep(points, Log())
    assert failure.startswith("pool.lr=1e+30: pool: pLLM ")
    assert set(load_sweep(tmp_path / "s").rows["pool.lr"]) == {0.003}
    result = CliRunner().invoke(app, ["sweep", *tiny_overrides(tiny_llm, tmp_path), *GRID[2:], "pool.lr=0.003,1e30"])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == str(tmp_path / "s")


@pytest.mark.parametrize("lanes", [1, 4])
def test_who_starts_alike_is_trained_once(
    lanes: int, tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs that differ in their pools: nobody is trained from scratch again, nor by a strategy that is another's
    twin, and the records are those of a run that trains everybody."""
    trained: list[int] = []
    monkeypatch.setattr("sim.worker.cohort.finetune", lambda *a: trained.append(len(a[2])) or finetune(*a))
    twins = ['strategies=["scratch","oracle","twin"]', 'options={twin = {use = "oracle"}}']
    twins += ["pool.steps=1,2", "ladder.users=0", "name=s"]
    points = grid(QUICKSTART, [*tiny_overrides(tiny_llm, tmp_path), f"engine.lanes={lanes}", *twins])
    assert sweep(points, Log()) == []
    users, runs = 4, 2
    assert sum(trained) == users * (1 + runs)  # from scratch once, and from a run's pool once in each
    assert len(list((tmp_path / "s" / "trained").iterdir())) == len(trained)
    trained.clear()
    alone = make_folder(points[1].config, "alone")
    start(prepare(points[1].config), alone, Log())
    assert sum(trained) == users * 2
    assert not (alone / "trained").exists()
    trained.clear()
    whole = make_folder(points[1].config, "whole")
    serve(points[1].config, whole)
    assert sum(trained) == users * 3
    same_tables(points[1].folder, alone)
    same_tables(points[1].folder, whole)


def test_time_left_covers_the_whole_sweep(tiny_llm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = grid(QUICKSTART, [*tiny_overrides(tiny_llm, tmp_path), *GRID])
    log = Log()
    log.run(2, 4, "second", 6, 24)
    assert "run 2 of 4: second; sweep: 6/24 jobs, about 0 min left" in capsys.readouterr().out
    assert sweep(points, log) == []
    assert "sweep: 24/24 jobs" in capsys.readouterr().out


def test_killed_at_any_moment_and_called_again(undisturbed: Path, tiny_llm: Path, tmp_path: Path) -> None:
    """SIGKILL, at random numbers of recorded jobs, until the sweep gets through."""
    rng = random.Random(7)
    command = [sys.executable, "-m", "sim.cli", "sweep", *tiny_overrides(tiny_llm, tmp_path), *GRID]
    kills = 0
    for jobs in (rng.randint(1, 9), rng.randint(12, 22), None):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
        while process.poll() is None:
            if jobs is not None and recorded(tmp_path / "s") >= jobs:
                time.sleep(rng.uniform(0, 0.1))
                os.killpg(process.pid, signal.SIGKILL)
                break
            time.sleep(0.002)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 2
    assert process.returncode == 0
    same_sweeps(tmp_path / "s", undisturbed)


def test_replicates_are_runs_taken_together(tiny_llm: Path, tmp_path: Path) -> None:
    """By the command: each is what a run with its seeds alone is, and one summary is over the users of all."""
    arguments = [*tiny_overrides(tiny_llm, tmp_path), "ladder.users=0", "name=s", "replicates=2", "seed=9000"]
    path = tmp_path / "mine.toml"
    path.write_text("")
    result = CliRunner().invoke(app, ["sweep", str(path), *arguments])
    assert result.exit_code == 0, result.output
    assert "1 setting of 2 replicates and 8 users (2 runs)" in result.output
    folder = tmp_path / "s"
    tables = [pd.read_csv(folder / name / "users.csv") for name in load_sweep(folder).runs["folder"]]
    users = pd.concat(tables)
    assert len(users) == 2 * 4 * 3
    assert tables[0]["start_loss"].tolist() != tables[1]["start_loss"].tolist()
    summary = pd.read_csv(folder / "summary.csv").set_index(["metric", "strategy"])["mean"]
    means = users.groupby("strategy")["start_loss"].mean()
    assert summary["start_loss"].to_dict() == pytest.approx(means.to_dict())
    assert set(pd.read_csv(folder / "summary.csv")["replicates"]) == {2}
    single = CliRunner().invoke(app, ["run", str(path), *arguments])
    assert single.exit_code != 0
    assert "replicates = 2: these are 2 runs, which `headstart sweep` does" in str(single.exception)


def recorded(folder: Path) -> int:
    """Lines of all journals: a run's identity and its complete jobs."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*/progress.jsonl"))


def test_report_of_a_sweep_is_one_file(undisturbed: Path) -> None:
    html = report(undisturbed).read_text(encoding="utf-8")
    assert not re.search(
        r"""(src|href)=["']?https?:""", html
    )  # Vega-Lite, which it carries, names addresses and asks none
    for part in ("What was swept", "By pool.size", "By seed", "Cost by pool size", "Cost against accuracy", "All runs"):
        assert f">{part}</h2>" in html, part
    assert "Beside the published costs" not in html
    assert html.count("data:image/png;base64,") == 4
