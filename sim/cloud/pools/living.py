"""The pools of a run whose users come in waves: every strategy has its own, grown from what its own users gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from sim.cloud.cohorts import job_count, jobs
from sim.cloud.pools.line import Given, Line
from sim.cloud.pools.offers import Offers
from sim.cloud.provider import Provider
from sim.experiment.names import SCRATCH
from sim.ledger.meter import Meter
from sim.messages import Job, Outcome
from sim.pool.contributed import keep
from sim.pool.pool import Pool
from sim.records.journal import Journal, Note
from sim.records.tables import Row, Rows
from sim.serving.resident import Progress
from strategies.base import Start

GIVEN, STARTS = "given", "starts"
"""What the journal notes of a job: by user the contribution, and the pLLM that most of the start is."""


class LivingPools:
    """Every strategy's line of pools. What makes them grow is read in the journal, whoever wrote it there."""

    def __init__(self, provider: Provider, pool: Pool, progress: Progress) -> None:
        self._provider, self._progress = provider, progress
        config = provider.config
        names = list(dict.fromkeys([*config.strategies, SCRATCH]))
        self.lines = {}
        for at, name in enumerate(names):
            progress("first offers", at, len(names))
            self.lines[name] = Line(name, provider, pool)

    def grow(self, journal: Journal, wave: int) -> None:
        """Make the versions that follow a wave, all of whose jobs the journal has."""
        config = self._provider.config
        done = list(jobs(config, [wave]))
        notes = list(zip(done, journal.notes(job_count(config, wave), len(done)), strict=True))
        growing = [name for name, line in self.lines.items() if line.grows]
        for at, name in enumerate(growing):
            self._progress(f"pools after wave {wave}", at, len(growing))
            self.lines[name].receive(given_of((job, note) for job, note in notes if job.strategy == name))

    @property
    def offers(self) -> Offers:
        """The present offers, and what they and their pools cost the cloud."""
        versions = {name: line.version for name, line in self.lines.items()}
        costs = {name: version.cost for name, version in versions.items()}
        return Offers({name: version.offer for name, version in versions.items()}, costs)

    def names(self) -> tuple[dict[str, str], dict[str, str]]:
        """Of each strategy, the names in the store of its offer and of its pool."""
        store, versions = self._provider.store, {name: line.version for name, line in self.lines.items()}
        offers = {name: store.put(version.offer) for name, version in versions.items()}
        return offers, {name: store.put(version.pool.folder) for name, version in versions.items()}

    def note(self, job: Job, outcomes: Sequence[Outcome]) -> Note:
        """What the journal keeps of a job for the next version; contributions are taken over."""
        if not self.lines[job.strategy].grows or job.amount != 1.0:
            return {}
        fetch, fine = self._provider.store.fetch, [o for o in outcomes if not o.failed]
        return {
            GIVEN: {str(o.user_id): keep(fetch(o.contributed)) for o in fine if o.contributed},
            STARTS: {str(o.user_id): Start(o.start).best for o in fine},
        }

    def rows(self, wave: int, meter: Meter) -> Rows:
        """What is recorded of the present versions."""
        versions: list[Row] = []
        cloud: list[Row] = []
        for name, line in self.lines.items():
            version = line.version
            if line.grows:
                counts: Row = {"contributed": version.contributed, "joined": version.joined}
                what: Row = {"version": version.name, "pllms": len(version.pool.ids)}
                versions.append({"wave": wave, "strategy": name, **what, **counts})
            cloud += meter.offer_rows(name, version.cost, wave)
        return {"versions": versions, "cloud": cloud}


def given_of(noted: Iterable[tuple[Job, Note]]) -> Given:
    """What the notes of a strategy's jobs say."""
    names: dict[int, str] = {}
    starts: dict[int, str] = {}
    for job, note in noted:
        if job.amount == 1.0:
            names |= {int(user): name for user, name in cast(Mapping[str, str], note.get(GIVEN, {})).items()}
            starts |= {int(user): pllm for user, pllm in cast(Mapping[str, str], note.get(STARTS, {})).items()}
    return Given(names, starts)
