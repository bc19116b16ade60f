"""`headstart bench` hands over to `tests.benchmarks`: its arguments, its exit status, Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sim.cli import app
from sim.common.errors import UserError


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The benchmark's folder in another clone, and a user who stands where `tests` is something else."""
    benchmarks, elsewhere = tmp_path / "clone" / "tests" / "benchmarks", tmp_path / "elsewhere"
    benchmarks.mkdir(parents=True)
    (elsewhere / "tests").mkdir(parents=True)
    for package in (benchmarks.parent, benchmarks, elsewhere / "tests"):
        (package / "__init__.py").touch()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr("sim.commands.bench.ROOT", tmp_path / "clone")
    return benchmarks


def test_arguments_folder_and_exit_status(clone: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (clone / "__main__.py").write_text("import os, sys; print(os.getcwd(), *sys.argv[1:]); sys.exit(7)")
    result = CliRunner().invoke(app, ["bench", "--quick", "--output", "x", "--help"])
    assert result.exit_code == 7
    assert capfd.readouterr().out == f"{Path.cwd()} --quick --output x --help\n"


def test_ctrl_c_waits_for_the_benchmark_to_end_what_it_began(clone: Path) -> None:
    (clone / "__main__.py").write_text(
        "import os, signal, sys, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(1); "
        "open('ended', 'w').close(); sys.exit(130)"
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    try:
        assert CliRunner().invoke(app, ["bench"]).exit_code == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert Path("ended").is_file()


def test_a_sigterm_is_handed_on_to_the_benchmark(clone: Path) -> None:
    (clone / "__main__.py").write_text(
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(130)); "
        "os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    )
    assert CliRunner().invoke(app, ["bench"]).exit_code == 130


def test_a_benchmark_that_is_killed(clone: Path) -> None:
    (clone / "__main__.py").write_text("import os; os.kill(os.getpid(), 9)")
    assert CliRunner().invoke(app, ["bench"]).exit_code == 128 + 9


def test_an_installed_package_has_no_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.commands.bench.IS_CLONE", False)
    result = CliRunner().invoke(app, ["bench", "--quick"])
    assert isinstance(result.exception, UserError)
    assert "install from a clone" in str(result.exception)


def test_help_is_the_benchmarks_own(capfd: pytest.CaptureFixture[str]) -> None:
    assert CliRunner().invoke(app, ["bench", "--help"]).exit_code == 0
    said = capfd.readouterr().out
    for part in ("Usage: headstart bench", "headstart bench --quick", "--output", "--resume", "few users"):
        assert part in said, part


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, ["bench", "--quick", "--output", str(tmp_path / "file" / "bench")])
    assert result.exit_code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("headstart: --output: cannot write")
