"""What the runs of a sweep share: cohorts fine-tuned from scratch, which neither pool nor strategies have a part in.

Kept in the sweep's folder and not in the cache, so that it goes with the sweep and a single run is always done whole.
Workers that do not see that folder train everything themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from sim.common.cache import built, digest
from sim.common.disk import write_whole
from sim.llm.training.progress import LaneResult
from sim.messages import Job
from sim.worker.workplace import Workplace

FOLDER = "scratch"
"""Folder below a sweep's."""
RESULTS = "results.json"
VERSION = 2
"""Part of the name's hash: bump it when users' texts or fine-tuning come out differently for equal settings."""
Results = list[LaneResult[int]]


def from_scratch(work: Workplace, shared: Path | None, job: Job, train: Callable[[], Results]) -> Results:
    """What became of a job's users, who start from scratch, in their order: found, or trained now and kept."""
    if shared is None or not shared.is_dir():
        return train()

    def build(into: Path) -> None:
        write_whole(into / RESULTS, json.dumps([asdict(result) for result in train()]))

    found = built(shared / digest(_decided_by(work, job)), build) / RESULTS
    rows = json.loads(found.read_text(encoding="utf-8"))
    return [
        LaneResult(**{**row, **{name: list(map(tuple, row[name])) for name in ("curve", "validation")}}) for row in rows
    ]


def _decided_by(work: Workplace, job: Job) -> dict[str, object]:
    """All that decides such a cohort's fine-tuning."""
    config, resident = work.config, work.resident
    return {
        "version": VERSION,
        "torch": torch.__version__,  # another one rounds otherwise
        "seed": config.seed,
        "llm": resident.lm_digest,
        "corpus": resident.corpus.fingerprint(),
        "styles": work.user_styles,
        "population": config.population.model_dump(include={"texts", "held_out", "styles_per_user"}),
        "training": config.training.model_dump(exclude={"warm_lr"}),
        "engine": config.engine.model_dump(include={"lanes", "device"}),
        "job": [job.users, job.amount, job.targets],
        **({"alike": True} if config.waves.count > 1 else {}),  # new adapters, which differ between users else
    }
