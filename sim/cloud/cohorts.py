"""Which jobs a run consists of: waves x cohorts x (strategies, then the ladder), in the order of the records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sim.experiment.config import Config
from sim.experiment.names import SCRATCH
from sim.messages import Job
from sim.records.tables import Rows

COHORT = 32
UNTRAINED = 256
"""Users of a cohort when nobody trains: a message then costs more than the users in it."""


@dataclass(frozen=True)
class CohortPlan:
    """A cohort's jobs: the reference, and what can follow once it is known."""

    reference: Job
    followers: tuple[Job, ...]

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All of them, in the order of the records."""
        return (self.reference, *self.followers)

    @property
    def last(self) -> int:
        """Index of the cohort's last job."""
        return self.jobs[-1].index


@dataclass(frozen=True)
class Wave:
    """A wave's cohorts, the first of whose jobs has the index `first`, and rows that are recorded before theirs."""

    first: int
    plans: Iterator[CohortPlan]
    rows: Rows = field(default_factory=dict)


def cohort_size(config: Config) -> int:
    """Decided by the config alone, so that results do not depend on the machine."""
    size = config.engine.cohort
    if size == "auto":
        return UNTRAINED if config.training.cost_only else COHORT
    return max(1, size)


def cohorts(config: Config, wave: int = 0) -> Iterator[range]:
    """The users of a wave's cohorts; none has users of two waves."""
    users, size = config.wave(wave), cohort_size(config)
    return (users[at : at + size] for at in range(0, len(users), size))


def plan(
    config: Config, offers: Mapping[str, str], pools: Mapping[str, str] | None = None, wave: int = 0
) -> Iterator[CohortPlan]:
    """The jobs of a wave, numbered in the order of the records.

    Made one cohort at a time, so that a plan's size does not grow with the users.

    Args:
        offers: each strategy's. pools: each strategy's version of the pool; none: all have the run's.
    """
    index, own = job_count(config, wave), pools or {}
    others = [s for s in config.strategies if s != SCRATCH]
    for cohort in cohorts(config, wave):
        users, climbing = tuple(cohort), tuple(u for u in cohort if u < config.ladder.users)
        asked = [(s, users, 1.0) for s in (SCRATCH, *others)]
        for amount in rungs(config) if climbing else ():
            asked += [(s, climbing, amount) for s in config.strategies]
        jobs = [
            Job(i, s, some, amount, offer=offers[s], pool=own.get(s, ""), wave=wave)
            for i, (s, some, amount) in enumerate(asked, start=index)
        ]
        index += len(jobs)
        yield CohortPlan(jobs[0], tuple(jobs[1:]))


def job_count(config: Config, waves: int | None = None) -> int:
    """How many jobs there are in the first so many waves, or in all."""
    each = 1 + len(set(config.strategies) - {SCRATCH})
    climbing = len(rungs(config)) * len(config.strategies)
    count = config.waves.count if waves is None else waves
    some = (cohort for wave in range(count) for cohort in cohorts(config, wave))
    return sum(each + (climbing if cohort[0] < config.ladder.users else 0) for cohort in some)


def jobs(config: Config, waves: Iterable[int]) -> Iterator[Job]:
    """The jobs of some waves in the order of the records, of whom and what alone: no offer is named."""
    nothing: Mapping[str, str] = defaultdict(str)
    return (job for wave in waves for cohort in plan(config, nothing, wave=wave) for job in cohort.jobs)


def rungs(config: Config) -> list[float]:
    """The ladder's amounts that are not all texts, ascending; none where nobody trains."""
    return [] if config.training.cost_only else sorted(a for a in config.ladder.amounts if a < 1.0)


def worker_count(config: Config, tasks: int, cores: int) -> int:
    """Worker processes: as many as asked for, or one a core, never more than there are tasks to share.

    Off the CPU one, since all would use the same device, each with a copy of the LLMs in its memory.
    """
    engine = config.engine
    auto = cores if engine.device == "cpu" else 1
    return max(1, min(tasks, auto if engine.workers == "auto" else engine.workers))


def with_targets(jobs: Sequence[Job], targets: Mapping[int, float]) -> list[Job]:
    """The same jobs with their users' targets, of which there are none where nobody trains."""
    return [replace(job, targets=tuple(targets[u] for u in job.users)) for job in jobs] if targets else list(jobs)
