"""A grid of runs: what it consists of, and that neither a kill nor a second call changes what comes out."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from sim.analysis.sweep.plots import front
from sim.analysis.sweep.published import beside_published
from sim.analysis.sweep.report import report
from sim.analysis.sweep.table import SHOWN, load_sweep, runs_table
from sim.cli import app
from sim.cloud.check import prepare
from sim.common.errors import UserError
from sim.display import Log
from sim.engine import start
from sim.experiment.config import Config
from sim.experiment.grid import Point, grid, split_values
from sim.llm.finetune import finetune
from sim.sweep import sweep
from tests.runs import same_tables, tiny_overrides

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "configs" / "quickstart.toml"
GRID = ["pool.size=1,2", "seed=0,1", "ladder.users=0", "name=s"]


def values(points: list[Point]) -> list[Mapping[str, str]]:
    return [dict(p.values) for p in points]


# ---------------------------------------------------------------- the grid


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,2, 3", ["1", "2", "3"]),
        ("1", ["1"]),
        ("", [""]),
        ('["a","b"];["c"]', ['["a","b"]', '["c"]']),
        ('["a","b"],["c"]', ['["a","b"]', '["c"]']),
        ('["a","b"]', ['["a","b"]']),
        ('"x,y",z', ['"x,y"', "z"]),
        ("oneplus-12,apple-iphone-13;market", ["oneplus-12,apple-iphone-13", "market"]),
    ],
)
def test_values_are_split_outside_of_brackets_and_quotes(text: str, parts: list[str]) -> None:
    assert split_values(text) == parts


def test_grid_of_the_command_line_varies_the_last_key_fastest() -> None:
    points = grid(QUICKSTART, ["pool.size=14,28", 'strategies=["scratch","xpert"];["scratch"]', "population.users=3"])
    assert values(points) == [
        {"pool.size": size, "strategies": strategies}
        for size in ("14", "28")
        for strategies in ('["scratch", "xpert"]', '["scratch"]')
    ]
    assert {p.config.population.users for p in points} == {3}
    assert [p.config.pool.size for p in points] == [14, 14, 28, 28]
    assert points[0].config.strategies == ["scratch", "xpert"]
    assert len({p.folder for p in points}) == 4


def test_grid_of_a_file_and_how_the_command_line_changes_it(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        '[sweep]\n"pool.size" = [14, 28]\nseed = [0, 1]\n[sweep.options.xpert]\nmetric = ["l2", "cosine"]\n'
    )
    assert len(grid(path, [])) == 8
    points = grid(path, ["pool.size=7", "seed=5,6,7", "options.xpert.metric=l2"])
    assert values(points) == [{"seed": "5"}, {"seed": "6"}, {"seed": "7"}]
    assert points[0].config.pool.size == 7
    assert points[0].config.options == {"xpert": {"metric": "l2"}}


def test_folder_depends_on_all_that_changes_records_and_on_nothing_else() -> None:
    (plain,) = {p.folder.name for p in grid(QUICKSTART, ["seed=1,2"])[:1]}
    same = grid(QUICKSTART, ["seed=1,2", "engine.workers=3", "engine.backend=inline", "name=x", "output=/tmp/x"])[0]
    other = grid(QUICKSTART, ["seed=1,2", "engine.cohort=3"])[0]
    assert same.folder == Path("/tmp/x/x") / plain
    assert other.folder.name != plain


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to sweep"),
        (["pool.size=14"], "nothing to sweep"),
        (["pool.sise=1,2"], "Did you mean 'size'"),
        (["pool.size=1,many"], "pool.size = 'many'"),
        (["name=a,b"], "name cannot be swept"),
        (["engine.workers=1,2"], "engine.workers=1 and engine.workers=2 are the same run"),
        (["seed=1,1"], "same run"),
        (["seed"], "expected key=value"),
    ],
)
def test_bad_grids_are_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        grid(QUICKSTART, arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sweep = 3\n", "a table"),
        ("[sweep]\nseed = 3\n", "seed = 3"),
        ("[sweep]\nseed = []\n", "no values"),
        ("a =", "s.toml: Invalid value"),
    ],
)
def test_bad_tables_are_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        grid(path, [])


@pytest.mark.parametrize("name", ["selection_cost", "similarity", "mixed_styles", "pool_size"])
def test_shipped_sweeps_are_sound(name: str) -> None:
    points = grid(ROOT / "configs" / "sweeps" / f"{name}.toml", [])
    assert len(points) > 2
    try:
        for point in points:
            prepare(point.config)
    except UserError as error:
        if "unknown strategy" not in str(error):
            raise
        pytest.skip(str(error))


# ---------------------------------------------------------------- running it


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
    points = grid(QUICKSTART, [*tiny_overrides(tiny_llm, tmp_path), *GRID[2:], "population.styles_per_user=1,9"])
    (failure,) = sweep(points, Log())
    assert failure.startswith("population.styles_per_user=9: ")
    assert set(load_sweep(tmp_path / "s").rows["population.styles_per_user"]) == {1}
    result = CliRunner().invoke(
        app, ["sweep", *tiny_overrides(tiny_llm, tmp_path), *GRID[2:], "population.styles_per_user=1,9"]
    )
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == str(tmp_path / "s")


def test_runs_share_what_is_trained_from_scratch(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs that differ in their pools: the second one trains nobody from scratch, and records the same."""
    trained: list[int] = []
    monkeypatch.setattr("sim.worker.cohort.finetune", lambda *a: trained.append(len(a[2])) or finetune(*a))
    points = grid(QUICKSTART, [*tiny_overrides(tiny_llm, tmp_path), "pool.steps=1,2", "ladder.users=0", "name=s"])
    assert sweep(points, Log()) == []
    cohorts, strategies = 2, 3
    assert len(trained) == 2 * cohorts * strategies - cohorts
    assert len(list((tmp_path / "s" / "scratch").iterdir())) == cohorts
    alone = tmp_path / "alone"
    alone.mkdir()
    start(prepare(points[1].config), alone, Log())
    assert len(trained) == 3 * cohorts * strategies - cohorts
    same_tables(points[1].folder, alone)


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


def recorded(folder: Path) -> int:
    """Lines of all journals: a run's identity and its complete jobs."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*/progress.jsonl"))


# ---------------------------------------------------------------- the report


def test_report_of_a_sweep_is_one_file(undisturbed: Path) -> None:
    html = report(undisturbed).read_text(encoding="utf-8")
    assert "https://" not in html
    for part in ("What was swept", "By pool.size", "By seed", "Cost by pool size", "Cost against accuracy", "All runs"):
        assert f">{part}</h2>" in html, part
    assert "Beside the published costs" not in html
    assert html.count("data:image/png;base64,") == 4


def fake_sweep(folder: Path, **cells: Any) -> Path:
    """runs.csv of two pools and two strategies, with configs that ask what XPerT's authors asked."""
    runs = []
    for size in (28, 84):
        tree = {"pool": {"size": size, "ship": "model"}, "population": {"phones": "oneplus-12r"}}
        run = folder / str(size)
        run.mkdir(parents=True)
        (run / "config.toml").write_text(Config.of(tree).to_toml())
        rows = [
            (strategy, metric, "", 60.0, 30.0, 90.0, 60.0, 5)
            for strategy in ("scratch", "exhaustive")
            for metric in SHOWN
        ]
        columns = ["strategy", "metric", "unit", "mean", "low", "high", "median", "users"]
        pd.DataFrame(rows, columns=columns).to_csv(run / "summary.csv", index=False)
        runs.append((run, {"pool.size": str(size)}))
    runs_table(runs).assign(**cells).to_csv(folder / "runs.csv", index=False)
    return folder


def test_published_values_stand_beside_billed_ones(tmp_path: Path) -> None:
    table = beside_published(load_sweep(fake_sweep(tmp_path)))
    assert set(table["strategy"]) == {"exhaustive"}
    assert set(table["network"]) == {"market"}
    found = table.set_index(["pool", "quantity"])
    assert found.loc[(28, "communication"), ["published", "basis", "billed", "low"]].tolist() == [
        75.6,
        "stated",
        1.0,
        0.5,
    ]
    assert found.loc[(84, "energy"), ["published", "basis", "billed"]].tolist() == [39, "chart", 0.06]
    html = report(tmp_path).read_text()
    assert "Beside the published costs" in html
    assert "10.1145/3711875.3729132" in html


def test_report_where_nothing_was_chosen_or_saved(tmp_path: Path) -> None:
    blank = dict.fromkeys(["selection_accuracy", "time_saved_total"], np.nan)
    html = report(fake_sweep(tmp_path, **blank)).read_text()
    assert "2 runs over pool.size" in html
    assert "Cost against accuracy" not in html


def test_front_is_what_no_other_beats() -> None:
    points = pd.DataFrame({"minutes": [1, 2, 3, 3, 4], "accuracy": [50, 40, 70, 60, 70]})
    assert front(points).index.tolist() == [0, 2]


def test_a_broken_runs_csv_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("folder,seed\n1,2\n")
    with pytest.raises(UserError, match="column 'strategy' is missing"):
        load_sweep(tmp_path)
