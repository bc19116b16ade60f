"""A run's trackers told how it goes: each on a thread of its own, so that none can hold up or end the run."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from sim.analysis.rules import ANY
from sim.analysis.run.running import SAVED, Savings
from sim.analysis.summary import SUMMARY_CSV, summary_of
from sim.analysis.tables import records
from sim.cloud.cohorts import job_count, jobs
from sim.cloud.collect import Watcher
from sim.common.disk import write_whole
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.reading import flat
from sim.messages import Job
from sim.records.tables import Rows
from sim.records.trackers import TRACKERS, Tracked, Tracker

KNOWN = "trackers.json"
"""In a run's folder: what each tracker knows the run by."""
JOBS, USERS = "jobs done", "users done"
"""Numbers of a run that is under way. A user is done once for each strategy, and once for each rung of the ladder."""


class Apart:
    """One tracker on its thread. After an error it is asked for nothing more; `failed` says what happened."""

    def __init__(self, name: str, tracker: Tracker) -> None:
        self.name, self._tracker, self.failed = name, tracker, ""
        self._calls: SimpleQueue[Callable[[Tracker], object]] = SimpleQueue()
        threading.Thread(target=self._work, name=f"tracker {name}", daemon=True).start()

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            if self.failed:
                continue
            try:
                call(self._tracker)
            except (Exception, SystemExit) as error:  # it is code of others, and may raise anything
                self.failed = " ".join(str(error).split())[:200] or type(error).__name__

    def ask(self, call: Callable[[Tracker], object]) -> None:
        """Have a call made, after those before."""
        self._calls.put(call)

    def wait(self, until: float) -> None:
        """Wait, until a time of `time.monotonic`, for what was asked; a tracker that takes longer has failed."""
        ends = time.monotonic() + max(until - time.monotonic(), 0)
        done = threading.Event()
        self._calls.put(lambda _: done.set())
        while not done.wait(0.02) and not self.failed:
            if time.monotonic() >= ends:
                self.failed = "it does not answer"


class Tracking:
    """A watcher of a run that hands on to another one, and to the trackers of the run's config.

    Around what is done of the run it is a context: trackers are begun where it is entered first, and let go of where it
    is left by an error, or by `end`, which tells them the summary.
    """

    EVERY_S = 5.0
    """Seconds between two tellings."""
    PATIENCE_S = 60.0
    """Seconds that a run waits for its trackers when it begins and when it ends."""

    def __init__(self, config: Config, folder: Path, watcher: Watcher) -> None:
        self.config, self._folder, self._watcher = config, folder, watcher
        self._apart: list[Apart] = []
        self._begun = False
        self._said: set[str] = set()
        self._savings = Savings()
        self._all = self._jobs = job_count(config)
        self._users = 0
        self._told = -math.inf

    # ---------------------------------------------------------------- as a watcher

    def remark(self, text: str) -> None:
        self._watcher.remark(text)

    def building(self, what: str, done: int, of: int) -> None:
        self._watcher.building(what, done, of)

    def started(self, jobs: int, users: int) -> None:
        self._watcher.started(jobs, users)
        self._jobs = self._all - jobs
        self._users = _users_of(self.config, self._jobs) if self._apart else 0

    def finished(self, job: Job, rows: Rows) -> None:
        self._watcher.finished(job, rows)
        if not self._apart:
            return
        self._jobs += 1
        self._users += len(job.users)
        self._savings.add(job, rows.get("users", ()))
        now = time.monotonic()
        if now - self._told >= self.EVERY_S or self._jobs == self._all:
            self._told = now
            saved = {f"{SAVED}/{name}": mean for name, mean in self._savings.means.items()}
            step, values = self._jobs, {JOBS: self._jobs, USERS: self._users, **saved}
            self._ask(lambda tracker: tracker.progress(step, values))
            self._complain()

    # ---------------------------------------------------------------- begin and end

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """What did not end well is let go of; the rest waits for `end`."""
        if kind is not None:
            self._close(ok=False)

    def begin(self) -> None:
        """Begin the run in its trackers, or go on with it there; who fails is named in a line, and left out."""
        if self._begun:
            return
        self._begun = True
        names = self.config.records.trackers
        if not names:
            return
        known = _read(self._folder)
        settings = dict(flat(self.config.model_dump(mode="json")))
        for name in names:
            run = Tracked(self.config.name, self._folder, settings, known.get(name, ""))
            apart = Apart(name, TRACKERS.load(name)())
            apart.ask(lambda tracker, name=name, run=run: known.update({name: tracker.begin(run)}))  # type: ignore[misc]
            self._apart.append(apart)
        self._wait()
        with suppress(UserError):  # then a run that is resumed is a new one to them
            write_whole(self._folder / KNOWN, json.dumps(known))

    def end(self) -> None:
        """Tell the trackers what summary.csv says, and let go of them."""
        if self._apart:
            means = {
                "/".join((row["strategy"], row["metric"], *([] if row["rule"] == ANY else [row["rule"]]))): row["mean"]
                for row in records(summary_of(self._folder))
            }
            finite = {name: float(mean) for name, mean in means.items() if math.isfinite(mean)}
            self._ask(lambda tracker: tracker.end(self._jobs, finite, self._folder / SUMMARY_CSV))
        self._close(ok=True)

    def _close(self, ok: bool) -> None:
        self._ask(lambda tracker: tracker.close(ok))
        self._wait()
        self._apart = []

    def _ask(self, call: Callable[[Tracker], object]) -> None:
        for apart in self._apart:
            apart.ask(call)

    def _wait(self) -> None:
        until = time.monotonic() + self.PATIENCE_S
        for apart in self._apart:
            apart.wait(until)
        self._complain()

    def _complain(self) -> None:
        for apart in self._apart:
            if apart.failed:
                self.remark(f"records.trackers: {apart.name}: {apart.failed}; the run goes on without it.")
        self._apart = [apart for apart in self._apart if not apart.failed]


def _users_of(config: Config, done: int) -> int:
    """The users of a run's first jobs, which were done before this process."""
    return sum(len(job.users) for job in islice(jobs(config, range(config.waves.count)), done))


def _read(folder: Path) -> dict[str, str]:
    """What the run's trackers know it by; nothing where that is not to be read."""
    try:
        found = json.loads((folder / KNOWN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    pairs: Mapping[object, object] = found if isinstance(found, dict) else {}
    return {str(name): id_ for name, id_ in pairs.items() if isinstance(id_, str)}
