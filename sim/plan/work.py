"""What a run will do: jobs, what of it is cached, time, memory, disk, and phones on which the LLM does not fit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from devices import Device
from sim.cloud.check import prepare
from sim.cloud.cohorts import job_count, rungs, worker_count
from sim.cloud.preparation import Preparation
from sim.cloud.provider import Provider
from sim.common.cache import cache_dir, known_digest
from sim.common.disk import disk_of
from sim.display import Quiet
from sim.experiment.config import Config
from sim.experiment.names import SCRATCH
from sim.experiment.shipped import ROOT
from sim.experiment.strategies import make_strategy
from sim.ledger.prices import training
from sim.ledger.terms import Terms
from sim.plan.pace import Pace, calibrated, remembered
from sim.plan.waves import said, waves
from sim.pocket import pocket_digest
from sim.pool.offers import offer_folder
from sim.population.phones import known_phones
from sim.population.users import draw_devices
from sim.rehearsal.before import Rehearsal

MOST_DRAWN = 20_000
"""Users whose phones are drawn to see on which the LLM does not fit."""
REFERENCE = ROOT / "results" / "reference"


@dataclass(frozen=True)
class Missing:
    """What has to be built first.

    `llms`: the pocket LLMs of a corpus. `pllms`: how many, whole groups of which a pool may take a part. None: not
    known, for those LLMs are not there, or the config names a pool.
    """

    llms: bool
    pllms: int | None
    offers: tuple[str, ...] | None

    @property
    def nothing(self) -> bool:
        return not (self.llms or self.pllms or self.offers)


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run will do. `str` says it.

    `table`: a row for each strategy: rows (of users.csv and ladder.csv), jobs, steps_at_most, and where they are known
    steps (those expected) and minutes (of one worker).
    `waves`: a row for each wave, as of `sim.plan.waves.waves`; empty where all users come at once.
    `minutes`: of all, on `workers`; None: not known. `pace` is what it was taken from.
    `memory_mib`, `disk_mb`: about; None: not known. `unfit`: users of `drawn` whose phone cannot fine-tune the LLM
    that is billed; None: not known.
    `remarks`: what the run would remark on before it begins: of texts and hours, and of strategies in a rehearsal.
    """

    config: Config
    jobs: int
    workers: int
    table: pd.DataFrame
    waves: pd.DataFrame
    missing: Missing
    pace: Pace | None
    minutes: float | None
    memory_mib: float | None
    disk_mb: float | None
    drawn: int
    unfit: int | None
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        tables = [self.table.round(1), *([self.waves] if len(self.waves) else [])]
        return "\n".join([*(table.to_string(index=False) for table in tables), *self.sentences()])

    def sentences(self) -> list[str]:
        """All but the table."""
        by_wave = said(self.config, self.waves, self.pace.between_s if self.pace else None)
        return [_jobs(self), *by_wave, _cached(self), _time(self), _room(self), _phones(self), *self.remarks]


def plan(config: Config, calibrate: bool = False) -> Plan:
    """Plan a run, whose strategies are rehearsed as it would rehearse them.

    Raises UserError where its config is wrong, or a strategy would surely fail; RunFailed where a calibration fails.

    Args:
        calibrate: do one cohort first, where no run of this machine tells the pace; builds what is missing.
    """
    preparation, heard = prepare(config), _Heard()
    Rehearsal().of(preparation, heard)
    missing = _missing(preparation)
    pace = remembered(config, [Path(config.output), REFERENCE])
    names = list(dict.fromkeys([SCRATCH, *config.strategies]))
    if calibrate and (pace is None or not set(names) <= set(pace.seconds)):
        pace = calibrated(config, missing.nothing)
        missing = _missing(preparation)
    jobs = job_count(config)
    inline = config.engine.backend == "inline"
    workers = 1 if inline else worker_count(config, max(jobs, preparation.groups), os.cpu_count() or 1)
    table, by_wave = _table(config, names, pace), waves(config, len(preparation.pool_plan("").ids))
    minutes = None
    if pace is not None and table["minutes"].notna().all():
        before = pace.before_s if missing.nothing else pace.building_s
        between = (config.waves.count - 1) * (pace.between_s or 0.0)
        at_work = min(workers, int(by_wave["jobs"].max())) if len(by_wave) else workers
        minutes = (before + between) / 60 + float(table["minutes"].sum()) / at_work
    rows = int(table["rows"].sum())
    drawn = min(config.population.users, MOST_DRAWN)
    return Plan(
        config,
        jobs,
        workers,
        table,
        by_wave,
        missing,
        pace,
        minutes,
        memory_mib=pace.peak_mib * (1 if inline else 1 + workers) if pace and pace.peak_mib else None,
        disk_mb=pace.row_bytes * rows / 1e6 if pace else None,
        drawn=drawn,
        unfit=_unfit(config, drawn),
        remarks=(*preparation.remarks, *heard.remarks),
    )


class _Heard(Quiet):
    """Keeps what is remarked."""

    def __init__(self) -> None:
        super().__init__()
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def _table(config: Config, names: Sequence[str], pace: Pace | None) -> pd.DataFrame:
    users, climbing = config.population.users, min(config.ladder.users, config.population.users)
    steps, out = 0 if config.training.cost_only else config.training.steps, []
    for name in names:
        rows = users + (climbing * len(rungs(config)) if name in config.strategies else 0)
        each, seconds = (table.get(name) for table in (pace.steps, pace.seconds)) if pace else (None, None)
        out.append((name, rows, rows * steps, np.nan if each is None else rows * each, _minutes(rows, seconds)))
    return pd.DataFrame(out, columns=["strategy", "rows", "steps_at_most", "steps", "minutes"])


def _minutes(rows: int, seconds: float | None) -> float:
    return np.nan if seconds is None else rows * seconds / 60


def _missing(preparation: Preparation) -> Missing:
    """What is not in the cache. Nothing is built, and an LLM is only loaded that is known by its name on the hub."""
    config, corpus = preparation.config, preparation.corpus
    uses_pocket = "pocket" in (config.llm.model, config.llm.summarizer)
    if uses_pocket and not corpus.built_in and not (cache_dir() / "pocket" / pocket_digest(corpus)).is_dir():
        return Missing(True, None, None)
    provider = Provider(preparation)
    resident = provider.resident
    folder = Path(resident.source("base"))
    llm = known_digest(folder) if folder.is_dir() else resident.lm_digest
    pool = preparation.pool_plan(llm)
    pllms = sum(len(group.names) for group in pool.missing())
    if pool.given or config.waves.count > 1:  # offers then are made wave by wave
        return Missing(False, 0 if pool.given else pllms, None)
    made_of = {"llm": llm, "summarizer": resident.summarizer_digest}
    cache = cache_dir() / "offers" / pool.folder.name
    strategies = {name: make_strategy(name, config) for name in dict.fromkeys([*config.strategies, SCRATCH])}
    offers = [s for s, made in strategies.items() if not offer_folder(pool.folder, cache, made, made_of).is_dir()]
    return Missing(False, pllms, tuple(offers))


def _unfit(config: Config, users: int) -> int | None:
    """How many of the first users have a phone that cannot fine-tune the LLM that is billed."""
    if not config.billing.tokens_per_step:
        return None  # as many as are measured
    known = known_phones(config.population)
    ids, counts = np.unique(draw_devices(config, range(users))[0], return_counts=True)
    device = Device.of([known[phone] for phone in ids], backend=config.billing.backend)
    cost = training(Terms.of(config, 1.0), device, 1.0, float(config.billing.tokens_per_step))
    return int(counts[~np.broadcast_to(cost.fits, counts.shape)].sum())


# ---------------------------------------------------------------- in words


def _jobs(p: Plan) -> str:
    users, count = p.config.population.users, len(p.table)
    many = (
        f"{users:,} users, {count} strategies with {SCRATCH}, which is always run" if count > 1 else f"{users:,} users"
    )
    return f"{many}: {p.jobs:,} jobs on {p.workers} worker{'s' * (p.workers != 1)}."


def _cached(p: Plan) -> str:
    m = p.missing
    if m.llms:
        return "To be built first: the small LLMs of this corpus (minutes, once), then the pool."
    parts = [f"{m.pllms} pLLMs"] if m.pllms else []
    parts += [f"offers of {', '.join(m.offers)}"] if m.offers else []
    if parts:
        return f"To be built first: {' and '.join(parts)}."
    if len(p.waves):
        return "The pool that it begins with is there already." if p.config.pool.size else "The pool begins empty."
    return "Pool and offers are there already."


def _time(p: Plan) -> str:
    if p.pace is None:
        return (
            "How long it takes is not known: no run like it was done on this machine by this version. "
            "--calibrate does one cohort of it first."
        )
    unknown = p.table.loc[p.table["minutes"].isna(), "strategy"]
    if p.minutes is None:
        return f"How long it takes is not known for {', '.join(unknown)}; the others: {p.pace.based_on}."
    long = f"{p.minutes:.1f} minutes" if p.minutes < 90 else f"{p.minutes / 60:.1f} hours"
    return f"About {long}, where nothing else runs; based on {p.pace.based_on}."


def _room(p: Plan) -> str:
    free = shutil.disk_usage(disk_of(Path(p.config.output))).free / 1e6
    memory = psutil.virtual_memory().available / 2**20
    needs = "not known" if p.memory_mib is None else f"about {p.memory_mib:,.0f} MiB"
    writes = "not known" if p.disk_mb is None else f"about {p.disk_mb:,.1f} MB of records"
    return f"Memory: {needs} ({memory:,.0f} MiB are free). Disk: {writes} ({free:,.0f} MB are free)."


def _phones(p: Plan) -> str:
    if p.unfit is None:
        return f"On which phones {p.config.llm.deploy} fits depends on the tokens of a step, which are measured."
    who = "users" if p.drawn == p.config.population.users else "first users"
    billed = f"the memory to fine-tune {p.config.llm.deploy}"
    if not p.unfit:
        return f"The phones of all {p.drawn:,} {who} have {billed}."
    return f"Phones of {p.unfit:,} of the {p.drawn:,} {who} lack {billed}; these are not billed."
