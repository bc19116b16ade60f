"""Which jobs a run consists of: cohorts x (strategies, then the ladder), in the order of the records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sim.experiment.config import Config
from sim.experiment.names import SCRATCH
from sim.messages import Job

COHORT = 32
UNTRAINED = 256
"""Users of a cohort when nobody trains: a message then costs more than the users in it."""


@dataclass(frozen=True)
class CohortPlan:
    """A cohort's jobs: the reference, and what can follow once it is known."""

    reference: Job
    followers: tuple[Job, ...]

    @property
    def last(self) -> int:
        """Index of the cohort's last job."""
        return (self.followers or (self.reference,))[-1].index


def cohort_size(config: Config) -> int:
    """Decided by the config alone, so that results do not depend on the machine."""
    size = config.engine.cohort
    if size == "auto":
        return UNTRAINED if config.training.cost_only else COHORT
    return max(1, size)


def plan(config: Config, offers: Mapping[str, str]) -> Iterator[CohortPlan]:
    """The jobs of a run, numbered in the order of the records; `offers` gives each strategy's offer.

    Made one cohort at a time, so that a plan's size does not grow with the users.
    """
    size, count, index = cohort_size(config), config.population.users, 0
    others = [s for s in config.strategies if s != SCRATCH]
    for first in range(0, count, size):
        users = tuple(range(first, min(first + size, count)))
        climbing = tuple(u for u in users if u < config.ladder.users)
        jobs = [Job(index, SCRATCH, users, offer=offers[SCRATCH])]
        jobs += [Job(0, s, users, offer=offers[s]) for s in others]
        for amount in rungs(config) if climbing else ():
            jobs += [Job(0, s, climbing, amount, offer=offers[s]) for s in config.strategies]
        jobs = [replace(job, index=index + i) for i, job in enumerate(jobs)]
        index += len(jobs)
        yield CohortPlan(jobs[0], tuple(jobs[1:]))


def job_count(config: Config) -> int:
    """How many jobs `plan` makes."""
    size, count = cohort_size(config), config.population.users
    cohorts, climbing = -(-count // size), -(-min(config.ladder.users, count) // size)
    others = len(set(config.strategies) - {SCRATCH})
    return cohorts * (1 + others) + climbing * len(rungs(config)) * len(config.strategies)


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
