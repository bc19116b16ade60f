"""One run, four ways to start it, one set of records; and a worker that dies in the middle changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.cloud.check import prepare
from sim.cloud.cohorts import worker_count
from sim.engine import start
from sim.experiment.config import Config
from sim.messages import Job
from sim.records.folder import make_folder
from tests.runs import STRATEGIES, Silent, descends, free_port, processes, small_config, tables

ROOT = Path(__file__).resolve().parents[2]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks processes up in /proc")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for all backends: they compare runs, not builds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def inline(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory, cache: None) -> tuple[Config, dict[str, str]]:
    config = small_config(tiny_llm, tmp_path_factory.mktemp("inline"))
    folder = make_folder(config, "inline")
    start(prepare(config), folder, Silent())
    return config, tables(folder)


def test_workers_are_as_many_as_there_is_use_for() -> None:
    def count(*overrides: str) -> int:
        return worker_count(Config.load(None, list(overrides)), tasks=6, cores=16)

    assert (count(), count("engine.workers=4"), count("engine.workers=9")) == (6, 4, 6)
    assert (count("engine.device=cuda"), count("engine.device=cuda", "engine.workers=2")) == (1, 2)


def test_inline_records_every_user_and_strategy(inline: tuple[Config, dict[str, str]]) -> None:
    _, files = inline
    assert len(files["users.csv"].splitlines()) == 1 + 6 * len(STRATEGIES)
    assert len(files["ladder.csv"].splitlines()) == 1 + 3 * 2 * len(STRATEGIES)
    assert {"choices.csv", "curves.csv", "pool.csv", "words.csv", "cloud.csv"} <= set(files)


@pytest.mark.cluster
@pytest.mark.parametrize("workers", [1, 2])
def test_flower_gives_the_records_of_inline(
    inline: tuple[Config, dict[str, str]], tmp_path: Path, workers: int
) -> None:
    config, expected = inline
    changed = config.model_copy(
        update={
            "output": str(tmp_path),
            "engine": config.engine.model_copy(update={"backend": "flower", "workers": workers}),
        }
    )
    folder = make_folder(changed, "flower")
    start(prepare(changed), folder, Silent())
    assert tables(folder) == expected


class Killer(Silent):
    """Sends a signal to a worker as soon as the first cohort is done."""

    killed = 0

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def finished(self, job: Job, rows: object) -> None:
        if not self.killed:
            for pid in [p for p in processes("ray::ClientAppActor") if descends(p)][:1]:
                os.kill(pid, self.number)
                self.killed = pid


@linux
@pytest.mark.cluster
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_hangs_changes_nothing(
    inline: tuple[Config, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    if number == signal.SIGSTOP:  # by default it takes longer to lose patience
        monkeypatch.setattr("sim.transport.dispatch.PATIENCE_S", 20.0)
        monkeypatch.setattr("sim.transport.dispatch.SLACK", 10.0)
    config, expected = inline
    engine = config.engine.model_copy(update={"backend": "flower", "workers": 2, "retries": 9})
    changed = config.model_copy(update={"output": str(tmp_path), "engine": engine})
    folder, killer = make_folder(changed, "killed"), Killer(number)
    start(prepare(changed), folder, killer)
    assert killer.killed
    assert tables(folder) == expected
    if number == signal.SIGSTOP:
        assert json.loads((folder / "manifest.json").read_text())["resent"] >= 1


# ---------------------------------------------------------------- Flower's own command


def flwr_run(home: Path, run_config: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`flwr run ROOT --stream`, with a SuperLink of its own, which is ended."""
    ports = {name: str(free_port()) for name in ("FLWR_LOCAL_SUPERLINK_HTTP_API_PORT", "FLWR_LOCAL_CONTROL_API_PORT")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["flwr", "run", str(ROOT), "--stream", "--run-config", run_config]
    command += ["--federation-config", "num-supernodes=2 client-resources-num-cpus=1"]
    environment = {**os.environ, **ports, "FLWR_HOME": str(home), "PATH": path, **variables}
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    finally:
        for pid in processes(f"FLWR_HOME={home}", "environ"):  # the SuperLink that `flwr run` leaves behind
            os.kill(pid, signal.SIGKILL)


@linux
@pytest.mark.cluster
def test_flwr_run_gives_the_records_of_inline(inline: tuple[Config, dict[str, str]], tmp_path: Path) -> None:
    config, expected = inline
    (tmp_path / "config.toml").write_text(config.model_copy(update={"output": str(tmp_path / "out")}).to_toml())
    done = flwr_run(tmp_path / "flwr", f'config="{tmp_path / "config.toml"}"')
    folders = list((tmp_path / "out" / "small").glob("*"))
    assert len(folders) == 1, done.stdout + done.stderr
    found = tables(folders[0])
    assert expected.items() <= found.items()
    assert set(found) - set(expected) == {"summary.csv", "demanded.csv"}
    assert list((folders[0] / "plots").iterdir())
    assert str(folders[0]) in done.stdout.replace("\n", "")


@linux
@pytest.mark.slow
def test_flwr_run_installs_nothing_behind_ones_back(tiny_llm: Path, tmp_path: Path) -> None:
    """Unless it is told not to, Flower makes an environment for every run: ours is empty, for want of dependencies."""
    ask = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path), "hatchling"]
    if subprocess.run(ask, capture_output=True).returncode:
        pytest.skip("no package index within reach")
    config = small_config(tiny_llm, tmp_path / "out", "population.users=2", "ladder.users=0")
    (tmp_path / "config.toml").write_text(config.to_toml())
    home = tmp_path / "flwr"
    variables = {"FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "0", "UV_CACHE_DIR": str(home / "uv")}
    done = flwr_run(home, f'config="{tmp_path / "config.toml"}"', **variables)
    assert list((tmp_path / "out" / "small").glob("*/summary.csv")), done.stdout + done.stderr
    assert sum(path.stat().st_size for path in home.rglob("*") if path.is_file()) < 200e6
