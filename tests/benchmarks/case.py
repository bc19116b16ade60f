"""One measurement in a process of its own: `python -m tests.benchmarks.case SPEC OUTPUT`, JSON in and out.

A case imports only what it needs, so that none runs under another's thread settings.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any


def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Do what a spec says: `case`, the `workload` where it has one, and the case's own settings."""
    with tempfile.TemporaryDirectory(prefix="headstart-bench-") as folder:
        match spec["case"]:
            case "gemm":
                from tests.benchmarks.gemm import gemm

                return gemm(spec["threads"])
            case "cost_only":
                from tests.benchmarks import ours

                return ours.cost_only(spec["users"], Path(folder), spec["backend"])
        from tests.benchmarks.workload import Workload

        work = Workload(**spec["workload"])
        match spec["case"]:
            case "work":
                return work.size()
            case "flowertune":
                from tests.benchmarks import flowertune

                return flowertune.run(work, Path(folder))
            case "peft":
                from tests.benchmarks import peft_loop

                return peft_loop.run(work, spec.get("threads"))
            case "ours":
                from tests.benchmarks import ours

                return ours.run(work, Path(folder), **spec.get("engine", {}))
            case "lanes":
                from tests.benchmarks import ours

                return ours.lanes(work, spec["width"], spec["least"])
    raise ValueError(f"no case {spec['case']!r}")


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(measure(json.loads(sys.argv[1]))))
