"""The GPU check is well: it runs on a CPU, in small, and finds that a device agrees with itself."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("check.sh")


def test_the_check_runs_on_a_cpu(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", str(SCRIPT), "--cpu", str(tmp_path)], capture_output=True, text=True, timeout=500, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "check.json").read_text())
    assert found["agreement"] == {
        "users": 6, "largest_gap_nats": 0.0, "same_choices": True, "same_steps_to_target": 6,
    }  # fmt: skip
    assert [row["way"] for row in found["lanes"]] == ["peft loop", "lanes", "lanes"]
    assert all(row["user_steps_per_s"] > 0 for row in found["lanes"])
    assert found["quickstart"]["rows"] == 6
