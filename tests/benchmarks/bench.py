"""The benchmark: every measurement in a process of its own, then tables, the machine's description and a picture."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from sim.records.manifest import PACKAGES, git_commit, processor, version_of
from tests.benchmarks.suite import Measurement, Suite

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_S = 1.0
EQUAL_NATS = 1e-3
"""Final held-out losses of all contestants agree to this."""
ONE_THREAD = {"OMP_NUM_THREADS": "1"}

Progress = Callable[[Measurement, int, int], None]


class BenchFailed(RuntimeError):  # noqa: N818 - it says what happened
    """A measurement failed, or contestants did not do the same work."""


@dataclass
class Results:
    """Measured values by kind, in the order they came; `tables` makes them comparable."""

    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {k: [] for k in ("race", "lanes", "cost_only")}
    )
    work: dict[str, dict[str, Any]] = field(default_factory=dict)
    gemm: list[float] = field(default_factory=list)
    losses: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def take(self, measurement: Measurement, found: dict[str, Any], peak_bytes: float) -> None:
        spec, key = measurement.spec, measurement.key
        if measurement.kind == "work":
            self.work[key[0]] = found
        elif measurement.kind == "gemm":
            self.gemm.append(found["flop_s"])
        elif measurement.kind == "race":
            llm, contestant = key
            work = spec["workload"]
            self.losses.setdefault(key, found["losses"])
            row = {"llm": llm, "contestant": contestant, "users": work["users"], "steps": work["steps"]}
            self.rows["race"].append({**row, "seconds": found["seconds"], "peak_bytes": peak_bytes})
        elif measurement.kind == "lanes":
            row = {"llm": key[0], "lanes": key[1], "user_steps": found["user_steps"]}
            self.rows["lanes"].append({**row, "seconds": found["seconds"], "peak_bytes": peak_bytes})
        else:
            row = {"users": key[0], "backend": key[1]}
            self.rows["cost_only"].append({**row, "seconds": found["seconds"], "peak_bytes": peak_bytes})

    def loss_gap(self, llm: str, contestant: str) -> float:
        """Largest difference of a user's final loss from that of the PEFT loop, nats."""
        pairs = zip(self.losses[llm, contestant], self.losses[llm, "peft-1-thread"], strict=True)
        return max(abs(a - b) for a, b in pairs)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Medians over repeats. Shares are of the machine's best GEMM rate."""
        best = max(self.gemm)
        race = _medians(self.rows["race"], ["llm", "contestant", "users", "steps"])
        race["users_per_s"] = race.users / race.seconds
        race["s_per_user_step"] = race.seconds / (race.users * race.steps)
        race["gemm_share"] = [self.work[r.llm]["flops"] / r.seconds / best for r in race.itertuples()]
        race["loss_gap"] = [self.loss_gap(r.llm, r.contestant) for r in race.itertuples()]
        lanes = _medians(self.rows["lanes"], ["llm", "lanes", "user_steps"])
        lanes["s_per_user_step"] = lanes.seconds / lanes.user_steps
        cost_only = _medians(self.rows["cost_only"], ["users", "backend"])
        cost_only["users_per_s"] = cost_only.users / cost_only.seconds
        return {"race": race, "lanes": lanes, "cost_only": cost_only}


def _medians(rows: list[dict[str, Any]], by: list[str]) -> pd.DataFrame:
    groups = pd.DataFrame(rows).groupby(by, sort=False)
    spread = groups["seconds"].agg(seconds="median", fastest_s="min", slowest_s="max", repeats="size")
    return spread.join(groups["peak_bytes"].median() / 1e6).rename(columns={"peak_bytes": "peak_mb"}).reset_index()


def bench(suite: Suite, output: Path, progress: Progress, resume: bool = False) -> dict[str, pd.DataFrame]:
    """Measure all, write the results into a folder, and return the tables.

    What was measured is kept line by line in `measurements.jsonl`. `resume`: go on after what the folder has already.
    Raises: BenchFailed where a measurement fails, final losses differ by more than EQUAL_NATS, or what the folder has
    is of another machine, commit or suite.
    """
    planned = list(suite.measurements(os.cpu_count() or 1))
    output.mkdir(parents=True, exist_ok=True)
    machine, kept = describe_machine(), output / "measurements.jsonl"
    if resume and kept.is_file():
        machine = _same_machine(json.loads((output / "machine.json").read_text()), machine)
    else:
        kept.write_text("")
        _write_json(output / "machine.json", machine)
    whole = [line for line in kept.read_text().splitlines(keepends=True) if line.endswith("\n")]  # the last may be torn
    kept.write_text("".join(whole))
    had = [json.loads(line) for line in whole]
    results, seconds = Results(), 0.0
    for done, measurement in enumerate(planned):
        asked = {"kind": measurement.kind, "key": list(measurement.key), "spec": measurement.spec}
        if done < len(had):
            line = had[done]
            if any(line[name] != value for name, value in asked.items()):
                raise BenchFailed(f"{kept}: line {done + 1} is not that of this suite; start anew without --resume")
        else:
            progress(measurement, done, len(planned))
            began = time.perf_counter()
            found, peak_bytes = measured(measurement)
            line = {**asked, "found": found, "peak_bytes": peak_bytes, "took_s": time.perf_counter() - began}
            with kept.open("a") as file:
                file.write(json.dumps(line) + "\n")
        results.take(measurement, line["found"], line["peak_bytes"])
        seconds += line["took_s"]
    tables = results.tables()
    for name, table in tables.items():
        table.to_csv(output / f"{name}.csv", index=False, float_format="%.6g")
    machine |= {"gemm_flop_s": max(results.gemm), "llms": results.work, "minutes": seconds / 60}
    _write_json(output / "machine.json", machine)
    apart = tables["race"][tables["race"].loss_gap > EQUAL_NATS]
    if len(apart):
        found_apart = ", ".join(f"{r.contestant} on {r.llm} {r.loss_gap:.2g}" for r in apart.itertuples())
        raise BenchFailed(f"final losses differ by more than {EQUAL_NATS} nats: {found_apart}")
    return tables


def _same_machine(had: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    for name in ("processor", "cores", "git_commit", "versions"):
        if had[name] != now[name]:
            raise BenchFailed(f"begun with {name} {had[name]}, and now it is {now[name]}; start anew without --resume")
    return had


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def measured(measurement: Measurement) -> tuple[dict[str, Any], float]:
    """What a measurement found, and the largest memory of its processes together, in bytes."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    env.pop("OMP_NUM_THREADS", None)
    if measurement.spec["case"] not in ("gemm", "peft"):  # these set their own; the rest is one thread a process
        env |= ONE_THREAD
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder, "out.json"), Path(folder, "log")
        command = [sys.executable, "-m", "tests.benchmarks.case", json.dumps(measurement.spec), str(out)]
        with log.open("w") as file:
            process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT)
            peak = _watch(process)
        if process.returncode or not out.is_file():
            lines = log.read_text(errors="replace").splitlines()[-15:]
            raise BenchFailed(f"{measurement.kind} {measurement.key} failed:\n" + "\n".join(lines))
        return json.loads(out.read_text()), peak


def _watch(process: subprocess.Popen[Any]) -> float:
    """Wait for a process; the peak of the memory of it and its children, pages that they share counted once."""
    peak, top = 0.0, psutil.Process(process.pid)
    try:
        while process.poll() is None:
            with suppress(psutil.Error):
                peak = max(peak, sum(map(_bytes, [top, *top.children(recursive=True)])))
            with suppress(subprocess.TimeoutExpired):
                process.wait(SAMPLE_S)
    finally:
        if process.poll() is None:  # interrupted: leave nothing behind
            for child in [*top.children(recursive=True), top]:
                child.terminate()
            process.wait()
    return peak


def _bytes(process: psutil.Process) -> float:
    try:
        full = process.memory_full_info()
        return float(getattr(full, "pss", full.uss))
    except psutil.Error:
        return 0.0


def describe_machine() -> dict[str, Any]:
    """What the results depend on."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in (*PACKAGES, "accelerate")},
        "git_commit": git_commit(),
        "load_before": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
    }
