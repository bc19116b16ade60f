"""The pools of a run whose users come in waves: every strategy has its own, grown from what its own users gave."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from sim.cloud.cohorts import job_count, jobs
from sim.cloud.pools.line import Given, Line
from sim.cloud.pools.offers import Offers
from sim.cloud.provider import Provider
from sim.experiment.names import SCRATCH
from sim.ledger.meter import Meter
from sim.messages import Job, Outcome
from sim.pool.contributed import keep, user_of
from sim.pool.pool import Pool
from sim.population.users import attacks
from sim.records.journal import Journal, Note
from sim.records.tables import Row, Rows
from sim.serving.resident import Progress
from strategies.base import Start

GIVEN, STARTS, ARRIVES = "given", "starts", "arrives"
"""What the journal notes of a job: by user the contribution, the pLLM that most of the start is, and (`waves.hours`) in
which wave's version the contribution is in time to join; null: never."""


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
        first = 0 if config.waves.hours else wave  # whose users may still give something
        done = list(jobs(config, range(first, wave + 1)))
        notes = list(zip(done, journal.notes(job_count(config, first), len(done)), strict=True))
        growing = [name for name, line in self.lines.items() if line.grows]
        for at, name in enumerate(growing):
            self._progress(f"pools after wave {wave}", at, len(growing))
            mine = [(job, note) for job, note in notes if job.strategy == name and job.amount == 1.0]
            self.lines[name].receive(_given(mine, wave))

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

    def note(self, job: Job, outcomes: Sequence[Outcome], rows: Rows) -> Note:
        """What the journal keeps of a job for the next version; contributions are taken over."""
        if not self.lines[job.strategy].grows or job.amount != 1.0:
            return {}
        fetch, fine = self._provider.store.fetch, [o for o in outcomes if not o.failed]
        given = {str(o.user_id): keep(fetch(o.contributed)) for o in fine if o.contributed}
        note: dict[str, object] = {GIVEN: given, STARTS: {str(o.user_id): Start(o.start).best for o in fine}}
        if hours := self._provider.config.waves.hours:
            taken = {str(row["user_id"]): _hours(row) for row in rows[job.table]}
            note[ARRIVES] = {user: arrives(job.wave, taken[user], hours) for user in given}
        return note

    def rows(self, wave: int, meter: Meter) -> Rows:
        """What is recorded of the present versions."""
        versions: list[Row] = []
        cloud: list[Row] = []
        for name, line in self.lines.items():
            version = line.version
            if line.grows:
                counts: Row = {
                    "contributed": version.contributed,
                    "joined": version.joined,
                    "late": version.late,
                    "by_attackers": version.by_attackers,
                    "poisoned": self._poisoned(version.pool),
                }
                what: Row = {"version": version.name, "pllms": len(version.pool.ids)}
                versions.append({"wave": wave, "strategy": name, **what, **counts})
            cloud += meter.offer_rows(name, version.cost, wave)
        return {"versions": versions, "cloud": cloud}

    def _poisoned(self, pool: Pool) -> int:
        """How many of a pool's pLLMs attackers gave."""
        owners = map(user_of, pool.ids)
        return sum(owner is not None and attacks(self._provider.config, owner) for owner in owners)


def arrives(wave: int, hours: float, apart: float) -> int | None:
    """The wave whose version an adapter is in time for that took so many hours, where waves are `apart` hours apart."""
    return wave + max(1, math.ceil(hours / apart)) if math.isfinite(hours) else None


def _hours(row: Row) -> float:
    """When a user's adapter is with the cloud, by its row of users.csv; hours from the release, NaN where never."""
    done, upload = (float(row[name] or 0) for name in ("hours_until_done", "upload_s"))
    return done + upload / 3600


def contributed(noted: Iterable[Note]) -> dict[int, str]:
    """What users gave, by the notes of their jobs: names of contributions, whenever these join a version."""
    given = (cast(Mapping[str, str], note.get(GIVEN, {})) for note in noted)
    return {int(user): name for names in given for user, name in names.items()}


def _given(noted: Sequence[tuple[Job, Note]], wave: int) -> Given:
    """What a strategy's users gave in time for the version after a wave and not before, and how that wave started."""
    names: dict[int, str] = {}
    origins: dict[int, str] = {}
    late: dict[int, int] = {}
    starts: dict[int, str] = {}
    for job, note in noted:
        given, began = (cast(Mapping[str, str], note.get(what, {})) for what in (GIVEN, STARTS))
        due = cast(Mapping[str, int | None], note.get(ARRIVES, dict.fromkeys(given, job.wave + 1)))
        for user in (user for user in given if due[user] == wave + 1):
            names[int(user)], origins[int(user)] = given[user], began[user]
            late[int(user)] = wave - job.wave
        if job.wave == wave:
            starts |= {int(user): pllm for user, pllm in began.items()}
    return Given(names, origins, starts, late)
