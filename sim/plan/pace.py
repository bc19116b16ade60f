"""How fast this machine does a run's work: from the records of runs like it, or by doing one cohort of it."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sim.cloud.cohorts import cohort_size
from sim.common.errors import UserError
from sim.display import Quiet
from sim.experiment.config import Config
from sim.experiment.names import SCRATCH
from sim.records.folder import CONFIG
from sim.records.manifest import NAME as MANIFEST
from sim.records.manifest import processor, version_of
from sim.records.shelf import UNFINISHED, entries, state_of
from sim.run import begin

ALIKE = (
    *("llm.model", "llm.summarizer", "corpus", "population.texts", "population.held_out", "population.styles_per_user"),
    *("training.adapter", "training.rank", "training.targets", "training.batch", "training.steps"),
    *("training.evaluate_every", "training.patience", "training.max_tokens", "training.stop_at_target"),
    *("training.cost_only", "pool.size", "pool.texts", "pool.path", "engine.lanes", "engine.device"),
    "waves",
)
"""Settings that runs must share for the pace of one to tell that of another."""
ALSO = ("pool.similarity", "pool.steps", "training.lr", "training.warm_lr", "population.styles")
"""Settings that change it as well, but less; where they differ it is said."""
CLOSE = 1.5
"""How many times as many users a cohort may have: the fewer train side by side, the longer takes each."""
MOST = 5
"""Runs that a pace is taken from: the newest."""
LOOKED_AT = 300
"""Runs that are looked at to find so many."""
STARTS_S = 15.0
"""Seconds that workers and LLMs take to be there."""


@dataclass(frozen=True)
class Pace:
    """How fast a run goes.

    Attributes: `seconds` of one worker for a user, and training `steps` of that user, by strategy; `before_s` seconds
    until the first job when all is cached, `building_s` when nothing is; `between_s` seconds of the cloud between two
    waves (None: not known, and where there are waves part of those before); `row_bytes` of the files for a user and
    strategy; `peak_mib` of the process that does least, the driver (None: not known); `based_on` in words.
    """

    seconds: Mapping[str, float]
    steps: Mapping[str, float]
    before_s: float
    building_s: float
    row_bytes: float
    peak_mib: float | None
    based_on: str
    between_s: float | None = None


@dataclass(frozen=True)
class _Past:
    """A run that is over."""

    folder: Path
    config: Config
    users: pd.DataFrame
    before_s: float
    row_bytes: float
    peak_mib: float | None
    between_s: float | None


def remembered(config: Config, outputs: Sequence[Path]) -> Pace | None:
    """The pace of the newest finished runs in these folders that were done on such a machine, by this version, and are
    alike in all that decides it; None where there is none."""
    found: list[_Past] = []
    for folder in islice(_runs(outputs), LOOKED_AT):
        if (past := _past(folder, config)) is not None:
            found.append(past)
        if len(found) == MOST:
            break
    return _pace(config, found, _said(config, found)) if found else None


def _runs(outputs: Sequence[Path]) -> Iterator[Path]:
    """All runs, of each folder the newest first."""
    for output in outputs:
        if output.is_dir():
            yield from (run for entry in entries(output) for run in entry.runs)


def _past(folder: Path, like: Config | None) -> _Past | None:
    """A finished run of this machine and version; None where it is none, or no run alike."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        config = Config.of_run(folder / CONFIG)
        if like is not None and not (_is_here(manifest) and _is_alike(config, like) and state_of(folder) != UNFINISHED):
            return None
        if manifest.get("jobs_kept_from_before"):  # its wall-clock is of a part
            return None
        users = pd.read_csv(folder / "users.csv", usecols=["strategy", "steps", "wall_s"])
        parts = [users["wall_s"]]
        if (folder / "ladder.csv").is_file():
            parts.append(pd.read_csv(folder / "ladder.csv", usecols=["wall_s"])["wall_s"])
        workers = sum(int(worker["processes"]) for worker in manifest["workers"])
        rows = sum(map(len, parts))
        between = [float(seconds) for seconds in manifest.get("between_waves_s", ())]
        before = float(manifest["wall_s"]) - sum(float(part.sum()) for part in parts) / workers - sum(between)
        size = sum(file.stat().st_size for pattern in ("*.csv", "*.jsonl") for file in folder.glob(pattern))
        gap = sum(between) / len(between) if between else None
        return _Past(folder, config, users, max(before, 0.0), size / rows, manifest.get("driver_peak_mib"), gap)
    except (UserError, OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None  # whatever it is, it tells nothing


def _is_here(manifest: Mapping[str, Any]) -> bool:
    machine = manifest.get("machine", {})
    same = (machine.get("processor"), machine.get("cores")) == (processor(), os.cpu_count())
    return same and manifest.get("headstart") == version_of("headstart")


def _is_alike(past: Config, config: Config) -> bool:
    few, many = sorted(min(cohort_size(c), c.population.users) for c in (past, config))
    return many <= CLOSE * few and all(past.at(key) == config.at(key) for key in ALIKE)


def _said(config: Config, found: Sequence[_Past]) -> str:
    differ = [key for key in ALSO if any(past.config.at(key) != config.at(key) for past in found)]
    newest, more = found[0].folder, len(found) - 1
    runs = str(newest.relative_to(Path.cwd()) if newest.is_relative_to(Path.cwd()) else newest)
    runs += f" and {more} more run{'s' * (more != 1)}" if more else ""
    return f"{runs} on this machine" + (f", which differ in {', '.join(differ)}" if differ else "")


def _pace(config: Config, found: Sequence[_Past], based_on: str) -> Pace:
    seconds: dict[str, float] = {}
    steps: dict[str, float] = {}
    for name in dict.fromkeys([SCRATCH, *config.strategies]):
        options = config.options.get(name)
        some = [p.users[p.users["strategy"] == name] for p in found if p.config.options.get(name) == options]
        if means := [float(rows["wall_s"].mean()) for rows in some if len(rows)]:
            # runs of a sweep share what is trained from scratch, and all but the first of them get it for nothing
            seconds[name] = max(means) if name == SCRATCH else float(np.median(means))
            steps[name] = float(np.median([rows["steps"].fillna(0).mean() for rows in some if len(rows)]))
    before = [past.before_s for past in found]
    peaks = [past.peak_mib for past in found if past.peak_mib]
    gaps = [past.between_s for past in found if past.between_s is not None]
    return Pace(
        seconds,
        steps,
        before_s=min(before),
        building_s=max(before),
        row_bytes=max(past.row_bytes for past in found),
        peak_mib=max(peaks) if peaks else None,
        based_on=based_on,
        between_s=float(np.median(gaps)) if gaps else None,
    )


# ---------------------------------------------------------------- calibration


class _Started(Quiet):
    """Notes when the first job goes out."""

    at = 0.0

    def started(self, jobs: int, users: int) -> None:
        self.at = time.perf_counter()


def calibrated(config: Config, is_built: bool) -> Pace:
    """The pace of one cohort of the run, in this process; builds what is missing, which then is there for the run.

    Where users come in waves it is one cohort of each of the first two, of which the second finds a pool.

    Args:
        is_built: whether nothing was missing.
    Raises: RunFailed, UserError.
    """
    waves = min(config.waves.count, 2)
    users = waves * min(len(config.wave(0)), cohort_size(config))
    small = {
        "population.users": users,
        "waves.count": waves,
        "ladder.users": 0,
        "engine.backend": "inline",
        "records.trackers": [],
        "records.format": "csv",
        "output": "",
    }
    with tempfile.TemporaryDirectory(prefix="headstart-plan-") as output:
        begun, watcher, began = begin(Config.changed(config, (small | {"output": output}).items())), _Started(), 0.0
        began = time.perf_counter()
        begun.do(watcher)
        past = _past(begun.folder, None)
    if past is None:
        raise UserError("plan: the calibration left no records that could be read.")
    done = f"one cohort ({users} users)" if waves == 1 else f"one cohort of each of two waves ({users} users)"
    pace = _pace(config, [past], f"{done}, done just now in one process")
    starts = watcher.at - began if is_built else STARTS_S
    return replace(pace, before_s=starts, building_s=starts)
