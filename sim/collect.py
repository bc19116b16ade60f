"""What comes back from the nodes is priced and recorded, and what can follow is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sim.cohort import Job, Outcome
from sim.config import Config
from sim.dispatch import Dispatcher
from sim.journal import Journal, Note
from sim.meter import Meter, Scale, target_loss
from sim.plan import CohortPlan, cohort_size, with_targets
from sim.records import Recorder


class Watcher(Protocol):
    """Who is told how a run goes."""

    def building(self, what: str, done: int, of: int) -> None: ...

    def started(self, jobs: int, users: int) -> None: ...

    def finished(self, job: Job, rows: Mapping[str, Any]) -> None: ...


class Collector:
    """Sends the references, then what follows them; prices and records everything in order.

    Prices need the mean steps from scratch of the reference users, so rows wait until those are known. Jobs that the
    journal names complete are not sent: their notes say what was learnt from them.
    """

    def __init__(
        self, config: Config, plans: Sequence[CohortPlan], meter: Meter, text_tokens: float, journal: Journal
    ) -> None:
        self.config, self.meter, self.journal = config, meter, journal
        self._plans, self._text_tokens = plans, text_tokens
        size, users = cohort_size(config), config.population.users
        self._needed = min(-(-config.billing.reference_users // size) * size, users)
        self._targets: dict[int, float] = {}
        self._scratch_steps: dict[int, int] = {}
        self._scale: Scale | None = Scale(1.0, text_tokens) if config.training.cost_only else None
        self._notes: dict[int, Note] = {}
        for note in journal.notes:
            self._learn(note)

    def collect(self, dispatcher: Dispatcher, watcher: Watcher) -> None:
        """Do all that is missing. Raises RunFailed."""
        kept, waiting = len(self.journal.notes), []
        followers = {p.reference.index: p.followers for p in self._plans}
        for p in self._plans:
            if p.reference.index >= kept:
                dispatcher.add([p.reference])
            else:
                dispatcher.add(with_targets([job for job in p.followers if job.index >= kept], self._targets))
        watcher.started(sum(1 + len(f) for f in followers.values()) - kept, self.config.population.users)
        with Recorder(self.journal.folder, kept, self._written) as recorder:
            for job, outcomes in dispatcher:
                if job.index in followers:
                    self._notes[job.index] = self._note(outcomes)
                    self._learn(self._notes[job.index])
                    dispatcher.add(with_targets(followers[job.index], self._targets))
                waiting.append((job, outcomes))
                if self._scale is None:
                    continue
                for job, outcomes in waiting:
                    rows = self.meter.rows(job, outcomes, self._targets, self._scale)
                    recorder.add(job.index, rows if job.strategy in self.config.strategies else {})
                    watcher.finished(job, rows)
                waiting.clear()

    def _written(self, index: int) -> None:
        self.journal.append(self._notes.pop(index, {}))

    def _note(self, outcomes: Sequence[Outcome]) -> Note:
        """What a reference teaches, as the journal keeps it: JSON, whose keys are strings. Without training nothing."""
        if self.config.training.cost_only:
            return {}
        tolerance = self.config.training.target_tolerance
        targets = {str(o.user_id): target_loss(o.curve, tolerance) for o in outcomes}
        steps = {
            str(o.user_id): next(step for step, loss in o.curve if loss <= targets[str(o.user_id)])
            for o in outcomes
            if o.user_id < self._needed
        }
        return {"targets": targets, "scratch_steps": steps}

    def _learn(self, note: Note) -> None:
        """Take in users' targets, and the steps that the scale is the mean of."""
        self._targets.update({int(user): loss for user, loss in note.get("targets", {}).items()})
        self._scratch_steps.update({int(user): steps for user, steps in note.get("scratch_steps", {}).items()})
        if self._scale is None and len(self._scratch_steps) == self._needed:
            mean, billed = sum(self._scratch_steps.values()) / self._needed, self.config.billing.scratch_steps
            self._scale = Scale(billed / mean if billed and mean else 1.0, self._text_tokens)
