"""A run small enough for tests: tiny LLM, tiny pool, a few users; and how to compare two of them."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from sim.experiment.config import Config
from sim.messages import Job
from sim.records.tables import WALL_CLOCK

STRATEGIES = ["scratch", "random", "oracle", "xpert"]
XPERT = {"probes": 4, "candidates": 6, "word_probes": 2, "answer_tokens": 4}


def small_config(llm: Path, output: Path, *overrides: str) -> Config:
    """Six users in three cohorts, four strategies, a ladder; the tiny LLM, the shipped summarizer (it knows words)."""
    options = ", ".join(f"{k} = {v}" for k, v in XPERT.items())
    return Config.load(
        None,
        [
            "name=small",
            f"output={output}",
            f"strategies={STRATEGIES}",
            f"llm.model={llm}",
            "pool.size=3",
            "pool.texts=8",
            "pool.steps=2",
            "population.users=6",
            "population.texts=6",
            "population.held_out=2",
            "training.steps=4",
            "training.evaluate_every=2",
            "training.max_tokens=48",
            "ladder.users=3",
            "engine.cohort=2",
            "engine.backend=inline",
            f"options={{xpert = {{{options}}}}}",
            *overrides,
        ],
    )


class Silent:
    """A watcher that says nothing."""

    def building(self, what: str, done: int, of: int) -> None:
        pass

    def started(self, jobs: int, users: int) -> None:
        pass

    def finished(self, job: Job, rows: object) -> None:
        pass


def tables(folder: Path) -> dict[str, str]:
    """The CSV files of a run as text, without wall-clock columns."""
    out = {}
    for file in sorted(folder.glob("*.csv")):
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
        out[file.name] = frame.drop(columns=[c for c in WALL_CLOCK if c in frame]).to_csv(index=False)
    return out


def processes(mark: str, within: str = "cmdline") -> list[int]:
    """Ids of processes whose command line (or environment) contains a text, but this one's."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / within).read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def descends(pid: int) -> bool:
    """Whether a process was started by this one, at whatever remove: others' workers are not ours to kill."""
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
        if pid == os.getpid():
            return True
    return False
