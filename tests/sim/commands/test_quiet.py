"""`--quiet` leaves the last line, other libraries say nothing unasked, and SIGTERM is as Ctrl-C."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sim.common.noise import hush
from sim.common.signals import sigterm_interrupts
from sim.experiment.shipped import ROOT
from tests.runs import Command, tiny_overrides


def test_a_quiet_run_prints_its_folder(command: Command, tiny_llm: Path, tmp_path: Path) -> None:
    overrides = tiny_overrides(tiny_llm, tmp_path)
    status, out, err = command("run", "--quiet", "--no-plots", *overrides)
    (folder,) = tmp_path.glob("quickstart/*")
    assert (status, out, err) == (0, f"{folder}\n", "")
    assert command("run", "--quiet", "--resume", str(folder)) == (0, f"{folder}\n", "")
    assert command("pool", "build", "-q", *overrides)[1].count("\n") == 1


def test_a_quiet_run_says_nothing_of_attackers_either(command: Command, tiny_llm: Path, tmp_path: Path) -> None:
    attacked = ["waves.count=2", "waves.contribute=1", "attackers.share=0.5", "ladder.users=0"]
    status, out, err = command("run", "-q", "--no-plots", *tiny_overrides(tiny_llm, tmp_path), *attacked)
    (folder,) = tmp_path.glob("quickstart/*")
    assert (status, out, err) == (0, f"{folder}\n", "")


def test_a_quiet_sweep_prints_its_folder(command: Command, tiny_llm: Path, tmp_path: Path) -> None:
    overrides = tiny_overrides(tiny_llm, tmp_path)
    status, out, err = command("sweep", "-q", *overrides, "ladder.users=0", "seed=9001,9002", "name=two")
    assert (status, out, err) == (0, f"{tmp_path / 'two'}\n", "")


def test_an_interrupted_sweep_says_how_to_go_on(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.sweep.sweep", interrupted)
    status, out, err = command("sweep", "-q", f"output={tmp_path}", "seed=9001,9002", "name=two")
    assert (status, out) == (130, f"{tmp_path / 'two'}\n")
    assert err == "headstart: interrupted; the same command again goes on with it\n"


def test_errors_are_said_all_the_same(command: Command) -> None:
    status, out, err = command("run", "--quiet", "population.users=none")
    assert (status, out) == (2, "")
    assert err.startswith("headstart: population.users")


def test_others_are_hushed_unless_somebody_asks() -> None:
    code = (
        "import warnings, logging; from sim.common.noise import hush; hush(); warnings.warn('old'); "
        "logging.getLogger('transformers.x').warning('noise'); logging.getLogger('headstart').warning('ours')"
    )

    def said(*options: str) -> str:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, env=environment)
        return done.stderr

    assert said() == "ours\n"
    assert "UserWarning: old" in said("-W", "default")


def test_what_is_set_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "info")
    hush()
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "info"
    assert logging.getLogger("headstart").getEffectiveLevel() <= logging.WARNING


def test_a_sigterm_interrupts_unless_the_program_has_a_use_for_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[int] = []
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with pytest.raises(KeyboardInterrupt), sigterm_interrupts():
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
        with sigterm_interrupts():
            os.kill(os.getpid(), signal.SIGTERM)
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
