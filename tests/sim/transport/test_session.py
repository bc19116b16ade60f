"""A Ray's folder is its run's own; what a dead run left is cleared away, and nothing of anybody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.common.errors import UserError
from sim.transport.session import LONGEST, MARK, session_folder

HOLDER = """
from sim.transport.session import session_folder
with session_folder() as folder:
    print(folder, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache whose path leaves room for sockets' names."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("HEADSTART_CACHE", folder)
        yield Path(folder).resolve()


def started(code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
    )


@pytest.fixture
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that holds a folder, and the folder."""
    process = started(HOLDER)
    assert process.stdout
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.wait()


def sleeper(folder: Path) -> subprocess.Popen[str]:
    """A process that belongs to a folder, once it is there."""
    process = started("print(flush=True); input()", **{MARK: str(folder)})
    assert process.stdout
    process.stdout.readline()
    return process


def ends(process: subprocess.Popen[str]) -> bool:
    """Whether a process ends soon."""
    for _ in range(20):
        if process.poll() is not None:
            return True
        time.sleep(0.05)
    return False


def test_a_folder_is_private_and_gone_afterwards_with_its_processes(short: Path) -> None:
    with session_folder() as folder:
        assert folder.parent == short / "ray"
        assert folder.parent.stat().st_mode & 0o777 == 0o700  # Ray opens the folder itself to everybody
        process = sleeper(folder)
    assert not folder.exists()
    assert ends(process)


def test_what_a_dead_run_left_is_cleared_away(holder: tuple[subprocess.Popen[str], Path]) -> None:
    driver, left = holder
    orphan, stranger = sleeper(left), sleeper(left.with_name("another"))
    driver.kill()
    driver.wait()
    with session_folder() as folder:
        assert folder != left
        assert not left.exists()
        assert ends(orphan)
        assert stranger.poll() is None
    stranger.kill()


def test_what_a_living_run_holds_is_left_alone(holder: tuple[subprocess.Popen[str], Path]) -> None:
    _, held = holder
    worker = sleeper(held)
    with session_folder():
        assert held.is_dir()
    assert held.is_dir()
    assert worker.poll() is None
    worker.kill()


def test_a_cache_with_too_long_a_path_is_passed_over_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], short: Path
) -> None:
    far, near = short / ("long" * 20), short / "tmp"
    near.mkdir()
    monkeypatch.setenv("HEADSTART_CACHE", str(far))
    monkeypatch.setattr("tempfile.tempdir", str(near))
    with session_folder() as folder:
        assert folder.parent == near / f"headstart-{os.getuid()}"
    said = capsys.readouterr().err
    assert said.startswith(f"headstart: Ray's files go to {str(folder.parent)!r}, not to {str(far / 'ray')!r}: ")
    assert f"at most {LONGEST} bytes" in said


def test_nowhere_to_go_is_one_line(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(short / ("long" * 20)))
    monkeypatch.setattr("tempfile.tempdir", str(short / ("longer" * 20)))
    with (
        pytest.raises(UserError, match=r"too long.*too long.*set HEADSTART_CACHE or TMPDIR") as caught,
        session_folder(),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_somebody_else_s_folder_is_not_used(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    (short / "ray").mkdir()
    owner = os.getuid()
    monkeypatch.setattr("tempfile.tempdir", str(short))
    (short / f"headstart-{owner + 1}").mkdir()
    monkeypatch.setattr("os.getuid", lambda: owner + 1)
    with pytest.raises(UserError, match=r"belongs to somebody else.*belongs to somebody else"), session_folder():
        pass
