"""Fine-tuning that was done already: users who start alike, in several strategies or runs of a sweep, are trained once.

Lanes that share a batch decide the last bits of what each learns. So what is found again is a whole batch: a cohort
whose users all have the starts that they had before, or, with one lane a batch (`engine.lanes = 1`), any user. It is
then what training would have made, to the last bit, and no record tells which it was but `wall_s`.

Kept in the run's folder, or the sweep's, and not in the cache: a run does its own training. Workers that do not see
that folder train everything themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from sim.common.cache import built, digest
from sim.common.disk import write_whole
from sim.llm.training.progress import Lane, LaneResult
from sim.messages import Job
from sim.worker.workplace import Workplace

FOLDER = "trained"
"""Folder below a run's, or a sweep's."""
RESULTS = "results.json"
VERSION = 3
"""Part of the name's hash: bump it when users' texts or fine-tuning come out differently for equal settings."""
Results = list[LaneResult[int]]
Lanes = Sequence[Lane[int]]


def trained(work: Workplace, shared: Path | None, job: Job, lanes: Lanes, train: Callable[[Lanes], Results]) -> Results:
    """What became of a job's lanes, in their order: found, or trained now and kept, without their adapters.

    Args:
        train: trains lanes that share batches.
    """
    if not lanes:
        return []
    if work.config.engine.lanes == 1:
        return [result for lane in lanes for result in _together(work, shared, job, [lane], train)]
    return _together(work, shared, job, lanes, train)


def _together(
    work: Workplace, shared: Path | None, job: Job, lanes: Lanes, train: Callable[[Lanes], Results]
) -> Results:
    """What became of lanes that share batches."""
    if shared is None or not shared.is_dir():
        return train(lanes)

    def build(into: Path) -> None:
        write_whole(into / RESULTS, json.dumps([asdict(result) for result in train(lanes)]))

    found = built(shared / digest(_decided_by(work, job, lanes)), build) / RESULTS
    rows = json.loads(found.read_text(encoding="utf-8"))
    return [
        LaneResult(**{**row, **{name: list(map(tuple, row[name])) for name in ("curve", "validation")}}) for row in rows
    ]


def _decided_by(work: Workplace, job: Job, lanes: Lanes) -> dict[str, object]:
    """All that decides what becomes of lanes: whose texts they are, how they are trained, and where each starts."""
    config, resident = work.config, work.resident
    return {
        "version": VERSION,
        "torch": torch.__version__,  # another one rounds otherwise
        "seed": config.seed,
        "llm": resident.lm_digest,
        "corpus": resident.corpus.fingerprint(),
        "styles": work.user_styles,
        "population": config.population.model_dump(include={"texts", "held_out", "styles_per_user"}),
        "training": config.training.model_dump(exclude={"lr", "warm_lr"}),
        "engine": config.engine.model_dump(include={"lanes", "device"}),
        "amount": job.amount,
        "lanes": [[lane.key, _content(lane), lane.lr, _target(lane), lane.leave] for lane in lanes],
    }


def _content(lane: Lane[int]) -> str:
    """A hash of the adapter that a lane starts from."""
    return hashlib.sha256(lane.start.detach().cpu().numpy().tobytes()).hexdigest()


def _target(lane: Lane[int]) -> object:
    """The target loss, where it is known; one that follows from the lane's own curve does so by the config."""
    return "own" if callable(lane.target) else lane.target
