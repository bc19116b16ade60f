"""A sweep: every run of a grid in its own folder, named by its config's hash; what is done is not done again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sim.analysis.summary import SUMMARY_CSV, is_summarised
from sim.analysis.sweep.table import is_sweep, load_sweep, runs_table, write_settings
from sim.cloud.check import prepare
from sim.cloud.cohorts import job_count
from sim.cloud.collect import Watcher
from sim.common.disk import no_space, write_whole
from sim.common.errors import RunFailed, UserError
from sim.experiment.grid import Point
from sim.records.folder import is_finished
from sim.records.journal import progress
from sim.records.shelf import RUNS
from sim.rehearsal.before import Rehearsal
from sim.run import close
from sim.tracking import Tracking
from sim.worker.trained import FOLDER


class SweepWatcher(Watcher, Protocol):
    """Who is told how a sweep goes."""

    def run(self, number: int, of: int, label: str, before: int, jobs: int) -> None:
        """Run `number`, counted from 1, begins. Of the `jobs` that the sweep has to do, `before` are behind it."""
        ...


def sweep(points: Sequence[Point], watcher: SweepWatcher) -> list[str]:
    """Do the runs that are missing, and keep runs.csv beside them up to date; in the end summary.csv, where there are
    replicates. Returns a line for each failed run.

    Raises UserError, before anything is done, where a config or a strategy is wrong.
    """
    rehearsal = Rehearsal()
    for point in points:
        preparation = prepare(point.config)  # again when its turn comes: memory may not hold the corpora of all runs
        if not is_finished(point.folder):
            rehearsal.of(preparation, watcher)
    failures = []
    missing = {number: point for number, point in enumerate(points, start=1) if not is_finished(point.folder)}
    jobs = {number: job_count(point.config) - progress(point.folder)[1] for number, point in missing.items()}
    for number, point in missing.items():
        before = sum(count for earlier, count in jobs.items() if earlier < number)
        watcher.run(number, len(points), point.label, before, sum(jobs.values()))
        try:
            _do(point, watcher)
        except (RunFailed, UserError) as failure:
            failures.append(f"{point.label}: {failure}")
        else:
            _write_runs(points, watcher)
    _write_runs(points, watcher)
    _write_settings(points[0].folder.parent)
    return failures


def _do(point: Point, watcher: Watcher) -> None:
    from sim.engine import start  # Flower and Ray take seconds to import

    shared = point.folder.parent / FOLDER
    try:
        for folder in (point.folder, shared):
            folder.mkdir(parents=True, exist_ok=True)
        write_whole(point.folder / "config.toml", point.config.to_toml())
        (point.folder / SUMMARY_CSV).unlink(missing_ok=True)
    except OSError as error:
        reason = no_space(error, point.folder) or error.strerror or error
        raise UserError(f"output: cannot write {str(point.folder)!r}: {reason}.") from error
    tracking = Tracking(point.config, point.folder, watcher)
    with tracking:
        start(prepare(point.config), point.folder, tracking, shared)
    close(point.folder, plots=False, tracking=tracking)


def _write_runs(points: Sequence[Point], watcher: Watcher) -> None:
    """Summarise what is finished and write runs.csv, in the order of the grid."""
    done = [point for point in points if is_finished(point.folder)]
    for point in done:
        if not is_summarised(point.folder):
            close(point.folder, plots=False, tracking=Tracking(point.config, point.folder, watcher))
    if done:
        table = runs_table([(point.folder, point.values) for point in done])
        folder = points[0].folder.parent
        (folder / SUMMARY_CSV).unlink(missing_ok=True)  # it is over the runs that there were before
        write_whole(folder / RUNS, table.to_csv(index=False))


def _write_settings(folder: Path) -> None:
    """Take the replicates of what is finished together."""
    if is_sweep(folder) and (found := load_sweep(folder)).replicated:
        write_settings(found)
