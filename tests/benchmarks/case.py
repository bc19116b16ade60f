"""One measurement in a process of its own: `python -m tests.benchmarks.case SPEC OUTPUT`, JSON in and out."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any


def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Do what a spec says: `case`, with `workload` and the case's own settings."""
    import torch

    from tests.benchmarks import flowertune, ours, peft_loop
    from tests.benchmarks.workload import Workload

    case = spec["case"]
    work = Workload(**spec["workload"]) if "workload" in spec else None
    with tempfile.TemporaryDirectory(prefix="headstart-bench-") as folder:
        match case:
            case "gemm":
                return ours.gemm(spec["threads"])
            case "cost_only":
                return ours.cost_only(spec["users"], Path(folder), spec["backend"])
        assert work is not None
        match case:
            case "flops":
                from transformers import AutoTokenizer

                return {"flops": work.flops(AutoTokenizer.from_pretrained(work.folder, local_files_only=True))}
            case "flowertune":
                return flowertune.run(work, Path(folder))
            case "peft":
                if spec["threads"]:
                    torch.set_num_threads(spec["threads"])
                return peft_loop.run(work)
            case "ours":
                return ours.run(work, Path(folder), **spec.get("engine", {}))
            case "lanes":
                return ours.lanes(work, spec["width"], spec["least"])
    raise ValueError(f"no case {case!r}")


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(measure(json.loads(sys.argv[1]))))
