"""The shell completes the names of commands."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = "import sys; sys.argv = ['headstart']; from sim.cli import main; main()"


@pytest.mark.parametrize(("typed", "offered"), [("headstart dev", {"devices"}), ("headstart pool ", {"build", "list"})])
def test_a_shell_is_told_the_commands(typed: str, offered: set[str]) -> None:
    asked = {"_HEADSTART_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env={**os.environ, **asked}, capture_output=True, text=True)
    assert set(done.stdout.split()) == offered
