"""Twenty runs, each with one kill -9 at a random moment: of the driver, a worker, all workers, Ray's own daemon."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sim.records.folder import is_finished
from sim.records.journal import progress
from tests.runs import same_tables, tiny_overrides

ROOT = Path(__file__).resolve().parents[2]
WHOM = ("driver", "worker", "workers", "raylet")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),  # where Ray never tells of a loss, the job's own deadline does, after ten minutes
    pytest.mark.cluster,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="knows Ray's processes by their names on Linux"),
]


def headstart(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sim.cli", "run", "--no-plots", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def overrides(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """A run of some seconds on two workers; the cache is shared, so that only the first one builds a pool."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "kills"))
        more = (
            "population.users=24 training.steps=24 training.patience=0 engine.backend=flower engine.workers=2".split()
        )
        yield [*tiny_overrides(tiny_llm, tmp_path_factory.mktemp("output")), *more]


@pytest.fixture(scope="module")
def whole(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    output = tmp_path_factory.mktemp("whole")
    process = headstart(*overrides, f"output={output}")
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return next(output.glob("quickstart/*"))


def once_recorded(output: Path, process: subprocess.Popen[str], jobs: int) -> Path:
    """The folder of a run, as soon as that many jobs are recorded."""
    while process.poll() is None:
        for folder in output.glob("quickstart/*"):
            if progress(folder)[1] >= jobs:
                return folder
        time.sleep(0.02)
    raise AssertionError(process.communicate()[0])


def victims(driver: int, whom: str, rng: random.Random) -> list[int]:
    family = psutil.Process(driver).children(recursive=True)
    if whom == "driver":
        return [driver]
    if whom == "raylet":
        return [p.pid for p in family if p.name() == "raylet"]
    workers = [p.pid for p in family if p.name().startswith("ray::ClientAppA")]
    return workers if whom == "workers" else rng.sample(workers, 1)


@pytest.mark.parametrize("seed", range(20))
def test_a_kill_changes_nothing(overrides: list[str], whole: Path, tmp_path: Path, seed: int) -> None:
    whom, rng = WHOM[seed % len(WHOM)], random.Random(seed)
    process = headstart(*overrides, f"output={tmp_path}")
    folder = once_recorded(tmp_path, process, rng.randint(0, int(0.8 * progress(whole)[1])))
    time.sleep(rng.uniform(0, 0.3))
    killed = victims(process.pid, whom, rng)
    for pid in killed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert killed, "the run was over too soon"
    said, _ = process.communicate(timeout=3000)
    assert process.returncode in {"driver": [-signal.SIGKILL], "raylet": [0, 1]}.get(whom, [0]), said
    if process.returncode:
        resumed = headstart("--resume", folder, "engine.backend=inline")
        said, _ = resumed.communicate(timeout=600)
        assert resumed.returncode == 0, said
    assert is_finished(folder)
    same_tables(folder, whole)
