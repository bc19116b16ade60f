"""The GPU check: records beside the CPU's, lanes beside a loop over PEFT adapters, a quickstart; one JSON.

`bash tests/gpu/check.sh` runs it. It needs neither Flower nor Ray (`engine.backend = "inline"`), and no network.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import transformers

from sim.experiment.config import Config
from sim.transport.nodes import InlineNodes
from sim.worker.orders import answer
from tests.benchmarks import ours, peft_loop
from tests.benchmarks.workload import POCKET, Workload

TOLERANCE = 1e-3
"""How far losses of the two devices may lie apart, in nats."""


@dataclass(frozen=True)
class Size:
    """How much is done: `agreeing` and `quick` are overrides of two runs; `lanes` are LLMs with numbers of lanes."""

    agreeing: tuple[str, ...]
    quick: tuple[str, ...]
    lanes: tuple[tuple[str, tuple[int, ...]], ...]
    steps: int


SMALL = ("pool.size=4", "ladder.users=0", "billing.reference_users=4", "strategies=scratch,random,oracle")
FULL = Size(
    agreeing=(*SMALL, "population.users=16"),
    quick=(
        "strategies=scratch,random,oracle,xpert,xpert_cards",
        "ladder.users=0",
        "engine.lanes=32",
        "engine.cohort=32",
    ),
    lanes=((POCKET, (1, 4, 16, 64, 256)), ("135m", (1, 4, 16, 64, 256)), ("360m", (1, 4, 16, 64))),
    steps=10,
)
TINY = Size(
    agreeing=(*SMALL, "pool.size=2", "population.users=2", "training.steps=4", "pool.steps=4"),
    quick=(*SMALL, "pool.size=2", "population.users=2", "training.steps=2", "pool.steps=2"),
    lanes=((POCKET, (1, 2)),),
    steps=2,
)


def main() -> None:
    """Do all parts; say how each went, and leave check.json. Exit status 1 where the devices disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("gpu-check"))
    parser.add_argument("--tiny", action="store_true", help="on the CPU, in a minute: that the check itself is well")
    asked = parser.parse_args()
    if not asked.tiny and not torch.cuda.is_available():
        parser.error("torch sees no GPU; --tiny checks the check on a CPU")
    size, device = (TINY, "cpu") if asked.tiny else (FULL, "cuda")
    asked.output.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"machine": machine(device), "tolerance_nats": TOLERANCE}
    for name, part in parts(size, device, asked.output):
        found[name] = part
        (asked.output / "check.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(name, json.dumps(part), flush=True)
    if found["agreement"]["largest_gap_nats"] > TOLERANCE:
        raise SystemExit(f"losses on {device} and on the CPU lie further apart than {TOLERANCE} nats")


def parts(size: Size, device: str, output: Path) -> Iterator[tuple[str, Any]]:
    """The parts of the check, by name, as they are done."""
    yield "agreement", agreement(size, device, output)
    yield "lanes", [row for llm, widths in size.lanes for row in speeds(llm, widths, size.steps, device)]
    yield "quickstart", quickstart(size, device, output)


def agreement(size: Size, device: str, output: Path) -> dict[str, Any]:
    """The same run on both devices: how far its users' losses lie apart, and whether choices are the same."""
    users = [run([*size.agreeing, f"engine.device={d}"], output / f"on-{i}")[0] for i, d in enumerate(("cpu", device))]
    one, other = (table.set_index(["strategy", "user_id"]) for table in users)
    gap = (one["final_loss"] - other["final_loss"]).abs()
    return {
        "users": len(one),
        "largest_gap_nats": float(gap.max()),
        "same_choices": bool((one["chosen"].fillna("") == other["chosen"].fillna("")).all()),
        "same_steps_to_target": int((one["steps_to_target"] == other["steps_to_target"]).sum()),
    }


def speeds(llm: str, widths: tuple[int, ...], steps: int, device: str) -> Iterator[dict[str, Any]]:
    """User-steps a second of a loop over PEFT adapters, then of lanes by width; what no longer fits ends the row."""
    few = Workload(llm=llm, users=2, steps=steps)
    done = peft_loop.run(few, threads=1, device=device)
    yield {"llm": llm, "way": "peft loop", "user_steps_per_s": few.users * steps / done["seconds"]}
    for width in widths:
        try:
            done = ours.lanes(Workload(llm=llm, users=width, steps=steps), width, width, device)
        except torch.cuda.OutOfMemoryError:
            yield {"llm": llm, "way": "lanes", "width": width, "user_steps_per_s": None, "why": "out of memory"}
            return
        yield {"llm": llm, "way": "lanes", "width": width, "user_steps_per_s": done["user_steps"] / done["seconds"]}


def quickstart(size: Size, device: str, output: Path) -> dict[str, Any]:
    """A whole run, metered and recorded."""
    users, seconds = run([*size.quick, f"engine.device={device}"], output / "quickstart")
    reached = users[~users["censored"].astype(bool)].groupby("strategy").size()
    return {"seconds": seconds, "rows": len(users), "reach_the_target": reached.to_dict()}


def run(overrides: list[str], output: Path) -> tuple[pd.DataFrame, float]:
    """The quickstart's config with overrides, in this process; its users.csv, and the seconds from the first job on."""
    config = Config.load(None, [*overrides, "engine.backend=inline", f"output={output}"])
    seconds, folder = ours.timed(config, InlineNodes(answer), "run")
    return pd.read_csv(folder / "users.csv"), seconds


def machine(device: str) -> dict[str, str]:
    """What the figures were measured on."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    return {"device": name, "torch": torch.__version__, "transformers": transformers.__version__, "precision": "fp32"}


if __name__ == "__main__":
    main()
