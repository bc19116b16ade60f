"""What the runs of a sweep share: cohorts fine-tuned from scratch, which neither pool nor strategies have a part in.

Kept in the sweep's folder and not in the cache, so that it goes with the sweep and a single run is always done whole.
Workers that do not see that folder train everything themselves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from sim.common.cache import digest
from sim.llm.finetune import Trained

if TYPE_CHECKING:
    from sim.messages import Job
    from sim.serving.resident import Resident

FOLDER = "scratch"
"""Folder below a sweep's."""
VERSION = 1
"""Part of the hash: bump it when users' texts or fine-tuning come out differently for the same config, or are written
otherwise."""


def from_scratch(resident: Resident, job: Job, train: Callable[[], list[Trained[int]]]) -> list[Trained[int]]:
    """What became of a job's users, who start from scratch, in their order: found, or trained now and kept."""
    if resident.shared is None or not resident.shared.is_dir():
        return train()
    path = resident.shared / f"{digest(_decided_by(resident, job))}.json"
    if path.is_file():
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Trained(**{**row, "curve": [(int(s), float(v)) for s, v in row["curve"]]}) for row in rows]
    done = train()
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(json.dumps([asdict(result) for result in done]), encoding="utf-8")
    new.replace(path)  # whole or not at all
    return done


def _decided_by(resident: Resident, job: Job) -> dict[str, object]:
    """All that decides such a cohort's fine-tuning."""
    config = resident.config
    return {
        "version": VERSION,
        "torch": torch.__version__,  # another one rounds otherwise
        "seed": config.seed,
        "llm": resident.lm_digest,
        "corpus": resident.corpus.fingerprint(),
        "styles": resident.user_styles,
        "population": config.population.model_dump(include={"texts", "held_out", "styles_per_user"}),
        "training": config.training.model_dump(),
        "engine": config.engine.model_dump(include={"lanes", "device"}),
        "job": [job.users, job.amount, job.targets],
    }
