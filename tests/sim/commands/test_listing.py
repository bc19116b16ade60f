"""`headstart list`, `latest`, `strategies` and `configs`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sim.cli import app
from sim.experiment.strategies import STRATEGIES
from sim.listing import SAVED, configs, results, strategies
from sim.records.shelf import COMPLETE, RECORDS, UNFINISHED, resolved
from tests.runs import Command, tiny_overrides

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "results" / "reference"


@pytest.fixture(scope="module")
def output(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results: a finished run, a younger one that failed, a sweep that is older than both, and a copy."""
    folder = tmp_path_factory.mktemp("out") / "results"
    tiny = [*tiny_overrides(tiny_llm, folder), "ladder.users=0", "population.users=2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        for arguments in (
            ["sweep", *tiny, "pool.size=1,2", "name=s"],
            ["run", "--no-plots", *tiny],
            ["run", "--no-plots", *tiny, "engine.deadline_s=1e-9", "name=late"],
        ):
            app(arguments, standalone_mode=False)
    shutil.copytree(REFERENCE / "quickstart", folder / "copied")
    for age, journal in enumerate(sorted(folder.glob("s/*/progress.jsonl"))):
        os.utime(journal, (1e9 + age, 1e9 + age))
    return folder


def test_results_are_listed_newest_first(output: Path) -> None:
    table = results(output)
    (run,), (late,) = (list((output / name).iterdir()) for name in ("quickstart", "late"))
    assert table["folder"].tolist() == [f"late/{late.name}", f"quickstart/{run.name}", "s (2 runs)", "copied"]
    assert table["state"].tolist() == [UNFINISHED, COMPLETE, COMPLETE, RECORDS]
    assert table["users"].tolist() == ["2", "2", "2", "24"]
    assert table["date"][2].startswith("2001-09-")
    assert table["date"][3] == ""
    assert table["strategies"][1] == "scratch, random, oracle"
    assert table[SAVED].tolist()[3].startswith("xpert_cards 75 % (70 to 80)")
    assert table[SAVED][0] == ""


def test_scratch_is_ranked_as_well(tmp_path: Path) -> None:
    """In a sweep by how many of its runs it is best in, in a run with who comes next."""
    table = results(REFERENCE).set_index("folder")
    assert table[SAVED]["similarity_0.1.0 (5 runs)"] == "scratch in 4 of 5"
    peers = next(f for f in (REFERENCE / "similarity_0.1.0").iterdir() if (f / "config.toml").is_file())
    shutil.copytree(peers, tmp_path / "r" / "one")
    (row,) = results(tmp_path)[SAVED]
    assert "%" in row


def test_a_broken_run_does_not_hide_the_others(output: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(output, tmp_path / "results")
    (folder / "copied" / "config.toml").write_text("name = 3")
    table = results(folder)
    assert table["state"].tolist() == [UNFINISHED, COMPLETE, COMPLETE, "broken"]
    assert "seed is missing" in table[SAVED][3]


def test_latest_is_the_newest(output: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(output.parent)
    (run,), (late,) = (list((output / name).iterdir()) for name in ("quickstart", "late"))
    assert resolved(Path("latest")).resolve() == run  # nobody has finished in the other
    assert resolved(Path("latest"), begun=True).resolve() == late
    assert resolved(output / "s" / "latest").parent == output / "s"
    assert resolved(output / "latest", sweeps=True) == run
    os.utime(run / "progress.jsonl", (1e8, 1e8))
    assert resolved(output / "latest", sweeps=True) == output / "s"
    assert resolved(output / "latest").parent == output / "s"
    code, out, _ = command("explain", "latest", "1", "--strategy", "random")
    assert code == 0
    assert "User 1, strategy random" in out
    assert Path(command("report", "results/quickstart/latest")[1].strip()).resolve() == run / "report.html"
    code, out, err = command("run", "--no-plots", "--resume", "latest", "engine.deadline_s=600")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].endswith(late.name)
    code, out, _ = command("list")
    assert code == 0
    assert "late/" in out


def test_latest_where_there_is_none(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = command("explain", "latest", "3")
    assert code == 2
    assert err.startswith("headstart: latest: there is no run in 'results' yet")
    code, _, err = command("list")
    assert code == 2
    assert err == "headstart: results: cannot be listed (No such file or directory).\n"
    (tmp_path / "results").mkdir()
    assert command("list")[:2] == (0, "no run in results yet\n")


def test_strategies_say_what_they_do(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    table = strategies()
    assert table["strategy"].tolist() == list(STRATEGIES.known())
    assert table["what it does"].str.len().min() > 40
    assert table["what it does"].str.contains("cannot be used").sum() == 0
    known = {"mine": "tests.sim.commands.nowhere:Mine"}
    monkeypatch.setattr("sim.experiment.registry.Registry.known", lambda self: known)
    code, out, _ = command("strategies")
    assert code == 0
    assert "cannot be used: strategies: cannot import" in " ".join(out.split())


def test_configs_say_what_they_are_for(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    table = configs().set_index("config")
    assert table["command"]["configs/quickstart.toml"] == "run, sweep"
    assert table["command"]["configs/headline.toml"] == "sweep"
    assert table["command"]["configs/strategies.toml"] == "run"
    assert table["what for"].str.len().min() > 30
    assert command("configs")[0] == 0
    monkeypatch.chdir(tmp_path)
    assert all(Path(path).is_absolute() for path in configs()["config"])


@pytest.mark.parametrize("name", ["list", "strategies", "configs"])
def test_help_has_an_example(command: Command, name: str) -> None:
    code, out, _ = command(name, "--help")
    assert code == 0
    assert f"headstart {name}" in out
