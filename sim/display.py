"""Progress of runs and sweeps: a live line for people at a terminal, plain lines elsewhere.

Both are a `sim.sweep.SweepWatcher`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sim.analysis.run.running import SAVED, Savings
from sim.messages import Job
from sim.records.tables import Row


def _pace(users: int, began: float, savings: Savings) -> str:
    """How fast a run goes and what it shows so far."""
    rate = f"{users / max(time.monotonic() - began, 1e-9):.1f} users/s"
    return f"{rate}, {SAVED}: {savings}" if str(savings) else rate


class Log:
    """Progress as plain lines, at most one every few seconds, for `flwr run`, pipes and CI."""

    EVERY_S = 5.0

    def __init__(self) -> None:
        self._began = self._started = self._said = time.monotonic()
        self._jobs = self._done = self._users = 0
        self._before = self._all = 0
        self._savings = Savings()
        self._remarks: set[str] = set()

    def remark(self, text: str) -> None:
        if text not in self._remarks:  # the runs of a sweep have the same
            self._remarks.add(text)
            self._say(text)

    def run(self, number: int, of: int, label: str, before: int, jobs: int) -> None:
        self._done = self._users = 0
        self._before, self._all = before, jobs
        self._savings = Savings()
        self._say(f"run {number} of {of}: {label}{self._left()}")

    def building(self, what: str, done: int, of: int) -> None:
        if done in (0, of) or self._due():
            self._say(f"building {what}: {done} of {of}")

    def started(self, jobs: int, users: int) -> None:
        self._jobs, self._started = jobs, time.monotonic()
        self._say(f"{users:,} users, {jobs:,} cohort jobs")

    def finished(self, job: Job, rows: Mapping[str, Sequence[Row]]) -> None:
        self._done += 1
        self._users += len(job.users)
        self._savings.add(job, rows.get("users", ()))
        if self._due() or self._done == self._jobs:
            pace = _pace(self._users, self._started, self._savings)
            self._say(f"{self._done}/{self._jobs} jobs, {pace}{self._left()}")

    def done(self, folder: Path) -> None:
        print(folder, flush=True)

    def _left(self) -> str:
        """Of a sweep: how far it is, and the time left if the rest goes as it went so far."""
        if not (done := self._before + self._done):
            return ""
        left = (time.monotonic() - self._began) / done * (self._all - done)
        return f"; sweep: {done}/{self._all} jobs, about {left / 60:.0f} min left" if self._all else ""

    def _due(self) -> bool:
        return time.monotonic() - self._said >= self.EVERY_S

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        print(f"[headstart {self._said - self._began:6.1f} s] {text}", flush=True)


class Quiet(Log):
    """Says nothing."""

    def done(self, folder: Path) -> None:
        pass

    def _say(self, text: str) -> None:
        pass


@contextmanager
def shown(console: Console, quiet: bool = False) -> Iterator[Live | Log]:
    """The progress display that suits a console."""
    if quiet:
        yield Quiet()
    elif console.is_terminal:
        with Live(console) as live:
            yield live
    else:
        yield Log()


class Live:
    """Progress as a bar with users done, rate, time left and savings so far."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<18}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
        )
        self._building: dict[str, TaskID] = {}
        self._jobs: TaskID | None = None
        self._runs: TaskID | None = None
        self._users, self._began = 0, 0.0
        self._savings = Savings()
        self._remarks: set[str] = set()

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if self._runs is not None and error is None:
            self._progress.update(self._runs, completed=self._progress.tasks[0].total, note="")
        self._progress.stop()

    def run(self, number: int, of: int, label: str, before: int, jobs: int) -> None:
        """Of a sweep: one line for the jobs of all runs stays, the lines of the run before go."""
        if self._runs is None:
            self._runs = self._progress.add_task("sweep", total=jobs, note="")
        self._progress.update(self._runs, total=jobs, completed=before, note=f"run {number} of {of}: {label}")
        for task in [*self._building.values(), *([] if self._jobs is None else [self._jobs])]:
            self._progress.remove_task(task)
        self._building, self._jobs, self._users, self._savings = {}, None, 0, Savings()

    def remark(self, text: str) -> None:
        if text not in self._remarks:
            self._remarks.add(text)
            self._progress.console.print(text, highlight=False)

    def building(self, what: str, done: int, of: int) -> None:
        if what not in self._building:
            self._building[what] = self._progress.add_task(what, total=of, note="")
        self._progress.update(self._building[what], completed=done, total=of)

    def started(self, jobs: int, users: int) -> None:
        self._began = time.monotonic()
        self._jobs = self._progress.add_task("cohorts", total=jobs, note="starting workers")

    def finished(self, job: Job, rows: Mapping[str, Sequence[Row]]) -> None:
        assert self._jobs is not None
        self._users += len(job.users)
        self._savings.add(job, rows.get("users", ()))
        self._progress.update(self._jobs, advance=1, note=_pace(self._users, self._began, self._savings))
        if self._runs is not None:
            self._progress.advance(self._runs)
