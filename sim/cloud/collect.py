"""What comes back from the nodes is priced and recorded, and what can follow is sent."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, cast

from sim.cloud.cohorts import CohortPlan, Wave, cohort_size, job_count, with_targets
from sim.experiment.config import Config
from sim.experiment.names import SCRATCH
from sim.ledger.failed import with_failures
from sim.ledger.meter import Meter
from sim.ledger.target import Target, target_loss
from sim.messages import Job, Outcome
from sim.records.journal import Journal, Note
from sim.records.recorder import Recorder
from sim.records.tables import Rows
from sim.transport.dispatch import Dispatcher

COHORTS_A_NODE = 2
"""Cohorts open at a time, for each node: enough that none waits, few enough to be held in memory."""


class Watcher(Protocol):
    """Who is told how a run goes."""

    def remark(self, text: str) -> None: ...

    def building(self, what: str, done: int, of: int) -> None: ...

    def started(self, jobs: int, users: int) -> None: ...

    def finished(self, job: Job, rows: Rows) -> None: ...


def nothing(job: Job, outcomes: Sequence[Outcome], rows: Rows) -> Note:
    """What the journal notes of a job from which nobody but the collector learns."""
    return {}


def no_more(index: int, note: Note) -> Rows:
    """What is recorded of a job besides its own rows, where that is nothing."""
    return {}


class Collector:
    """Sends the references, then what follows them; prices and records everything in order.

    Prices need the mean steps from scratch of the reference users, who all come in the first wave, so rows wait until
    those are known. Jobs that the journal names complete are not sent: their notes say what was learnt from them. Only
    a few cohorts are open at a time (begun, and not all written), and what was learnt from the others is forgotten. A
    wave is asked for when all of the one before is written.

    Args:
        also: what the journal is to note of a job besides what is learnt here, once the job is priced.
        last: rows that are recorded with a job after its own, by its index and what the journal will note of it.
    """

    def __init__(
        self,
        config: Config,
        waves: Iterator[Wave],
        meter: Meter,
        journal: Journal,
        also: Callable[[Job, Sequence[Outcome], Rows], Note] = nothing,
        last: Callable[[int, Note], Rows] = no_more,
    ) -> None:
        self.config, self.meter, self.journal = config, meter, journal
        self._waves, self._also, self._last = waves, also, last
        self._plans: Iterator[CohortPlan] = iter(())
        size, users = cohort_size(config), len(config.wave(0))
        self._needed = min(-(-config.billing.reference_users // size) * size, users)
        self._open: deque[CohortPlan] = deque()
        self._targets: dict[int, float] = {}
        self._scratch_steps: dict[int, int | None] = {}
        self._scale: float | None = 1.0 if config.training.cost_only else None
        self._notes: dict[int, Note] = {}

    def collect(self, dispatcher: Dispatcher[Job, list[Outcome]], watcher: Watcher) -> None:
        """Do all that is missing. Raises RunFailed."""
        kept = self.journal.complete
        for note in self.journal.notes():
            if "targets" in note:
                self._targets.clear()  # jobs are complete in order, so only the last cohort can be open
                self._learn(note)
        watcher.started(job_count(self.config) - kept, self.config.population.users)
        most = max(COHORTS_A_NODE * dispatcher.ready(), self._needed // cohort_size(self.config) + 1)
        folder, of = self.journal.folder, self.config.of_rows
        with Recorder(folder, kept, lambda index: self._written(recorder, index), of) as recorder:
            for wave in self._waves:
                if wave.first >= kept:
                    recorder.write(wave.rows)
                self._plans = wave.plans
                self._begin(dispatcher, most)
                self._collect(dispatcher, watcher, recorder, most)

    def _collect(
        self, dispatcher: Dispatcher[Job, list[Outcome]], watcher: Watcher, recorder: Recorder, most: int
    ) -> None:
        """Take in all of a wave."""
        waiting = []
        for job, outcomes in dispatcher:
            if job.strategy == SCRATCH and job.amount == 1.0:
                self._notes[job.index] = note = self._note(outcomes)
                self._learn(note)
                cohort = next(p for p in self._open if p.reference.index == job.index)
                dispatcher.add(with_targets(cohort.followers, self._targets))
            waiting.append((job, outcomes))
            if self._scale is None:
                continue
            for job, outcomes in waiting:
                rows = self._rows(job, outcomes)
                self._notes[job.index] = {**self._notes.get(job.index, {}), **self._also(job, outcomes, rows)}
                recorder.add(job.index, rows if job.strategy in self.config.strategies else {})
                watcher.finished(job, rows)
            waiting.clear()
            self._begin(dispatcher, most)

    def _begin(self, dispatcher: Dispatcher[Job, list[Outcome]], most: int) -> None:
        """Open cohorts, until there are no more or as many are open as should be."""
        kept = self.journal.complete
        while len(self._open) < most and (cohort := next(self._plans, None)) is not None:
            if cohort.last < kept:
                continue
            self._open.append(cohort)
            if cohort.reference.index >= kept:
                dispatcher.add([cohort.reference])
            else:
                dispatcher.add(with_targets([job for job in cohort.followers if job.index >= kept], self._targets))

    def _rows(self, job: Job, outcomes: Sequence[Outcome]) -> Rows:
        assert self._scale is not None
        fine = [o for o in outcomes if not o.failed]
        rows = self.meter.rows(job, fine, self._targets, self._scale)
        return rows if len(fine) == len(outcomes) else with_failures(rows, job, outcomes, self.meter.phones)

    def _written(self, recorder: Recorder, index: int) -> None:
        note = self._notes.pop(index, {})
        recorder.write(self._last(index, note))
        self.journal.append(note)
        if index == self._open[0].last:
            for user in self._open.popleft().reference.users:
                self._targets.pop(user, None)

    def _note(self, outcomes: Sequence[Outcome]) -> Note:
        """What a reference teaches, as the journal keeps it: JSON, whose keys are strings; null where it failed.

        Without training nothing.
        """
        if self.config.training.cost_only:
            return {}
        tolerance = self.config.training.target_tolerance
        targets: dict[str, float | None] = {}
        steps: dict[str, int | None] = {}
        for o in outcomes:
            target = None if o.failed else target_loss(o.curve, tolerance)
            targets[str(o.user_id)] = target
            if o.user_id < self._needed:
                found = None if target is None else Target.reached(o.curve, target, self.config.training.steps)
                steps[str(o.user_id)] = None if found is None or found.censored else found.step
        return {"targets": targets, "scratch_steps": steps}

    def _learn(self, note: Note) -> None:
        """Take in users' targets, and the steps that the scale is the mean of."""
        targets = cast(Mapping[str, float | None], note.get("targets", {}))
        steps = cast(Mapping[str, int | None], note.get("scratch_steps", {}))
        self._targets.update({int(user): math.nan if loss is None else loss for user, loss in targets.items()})
        self._scratch_steps.update({int(user): count for user, count in steps.items()})
        if self._scale is None and len(self._scratch_steps) == self._needed:
            known = [s for s in self._scratch_steps.values() if s is not None]
            mean, billed = sum(known) / max(len(known), 1), self.config.billing.scratch_steps
            self._scale = billed / mean if billed and mean else 1.0
