"""`engine.backend=inline` needs neither Flower nor Ray: a machine with a GPU may have neither."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.runs import tiny_overrides

RUN = """
import sys
sys.modules["flwr"] = sys.modules["ray"] = None  # importing either is an ImportError
from sim.cli import main
main()
"""


def test_a_run_without_flower_and_ray(tiny_llm: Path, tmp_path: Path) -> None:
    arguments = ["run", *tiny_overrides(tiny_llm, tmp_path), "ladder.users=0", "engine.backend=inline"]
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("users.csv"))
