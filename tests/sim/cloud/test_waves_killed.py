"""A run in waves that is killed in the middle of one goes on, and ends with the tables of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim.records.folder import is_finished
from sim.records.journal import progress
from tests.runs import same_tables, tiny_overrides

ROOT = Path(__file__).resolve().parents[3]
JOBS = 3
"""Jobs of a wave."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def headstart(cache: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sim.cli", "run", "--no-plots", *map(str, arguments)]
    env = {**os.environ, "HEADSTART_CACHE": str(cache)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=env)


def test_killed_in_the_eighth_wave(tiny_llm: Path, tmp_path: Path) -> None:
    more = """population.users=24 pool.size=0 ladder.users=0 population.phones=oneplus-12 waves.count=12
        waves.contribute=0.8 waves.keep=5 strategies=["scratch","random","federated"] waves.policies=["chosen"]"""
    overrides = [*tiny_overrides(tiny_llm, tmp_path), *more.split()]
    whole = headstart(tmp_path / "one", *overrides, f"output={tmp_path / 'whole'}")
    assert whole.wait(900) == 0

    process = headstart(tmp_path / "other", *overrides, f"output={tmp_path / 'killed'}")
    while not (found := [f for f in (tmp_path / "killed").glob("*/*") if progress(f)[1] > 7 * JOBS + 1]):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert 7 * JOBS + 1 < progress(found[0])[1] < 12 * JOBS
    resumed = headstart(tmp_path / "other", "--resume", found[0])
    assert resumed.wait(900) == 0
    assert is_finished(found[0])
    same_tables(found[0], next((tmp_path / "whole").glob("*/*")))
