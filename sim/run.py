"""A run from its config to its summary, whoever asked for it: the command line, or Python. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from sim.analysis.run.demanded import write_demanded
from sim.analysis.run.leak import write_leak
from sim.analysis.run.waves import write_waves
from sim.analysis.summary import SUMMARY_CSV, write_summary
from sim.analysis.tables import Run, load_run
from sim.cloud.check import prepare
from sim.cloud.collect import Watcher
from sim.cloud.preparation import Preparation
from sim.common.disk import no_space
from sim.common.errors import RunFailed, UserError
from sim.experiment.config import Config
from sim.records.folder import discard_unbegun, is_finished, make_folder, new_run_id, reopen_folder
from sim.records.parquet import write_parquet
from sim.tracking import Tracking

Start: TypeAlias = Callable[[Preparation, Path, Watcher], object]
"""Does a run's jobs in its folder."""


@dataclass(frozen=True, eq=False)
class Begun:
    """A run's folder and config, and what was prepared for it: None where every job is done already.

    `resumed`: the folder was there before.
    """

    folder: Path
    config: Config
    preparation: Preparation | None
    resumed: bool = False

    def do(self, watcher: Watcher, start: Start | None = None) -> Tracking:
        """Rehearse the strategies, then do the jobs that are not done; returns what `close` is to tell.

        What is finished is kept, whatever happens.

        Args:
            start: does them; default: the backend of the config.
        Raises RunFailed, UserError, KeyboardInterrupt.
        """
        tracking = Tracking(self.config, self.folder, watcher)
        if self.preparation is None:
            return tracking
        try:
            with _disk_is_full_at(self.folder):
                from sim.rehearsal.before import Rehearsal

                Rehearsal().of(self.preparation, watcher)
                with tracking:
                    (start or _on_backend)(self.preparation, self.folder, tracking)
        except UserError:
            if not self.resumed:  # another process may be about to begin in a folder that is not ours
                discard_unbegun(self.folder)
            raise
        return tracking


def _on_backend(preparation: Preparation, folder: Path, watcher: Watcher) -> None:
    from sim.engine import start  # Flower and Ray take seconds to import

    start(preparation, folder, watcher)


def begin(config: Config) -> Begun:
    """Check a config, and make the folder of its run. Raises UserError."""
    preparation = prepare(config)
    return Begun(make_folder(config, new_run_id(config)), config, preparation)


def reopen(folder: Path, config: Config | None = None, overrides: Sequence[str] = ()) -> Begun:
    """Go on with a run, as `sim.records.folder.reopen_folder` lets one. Raises UserError."""
    config = reopen_folder(folder, config, overrides)
    return Begun(folder, config, None if is_finished(folder) else prepare(config), resumed=True)


def has_all(folder: Path) -> bool:
    """Whether a run is finished, and was closed."""
    return is_finished(folder) and (folder / SUMMARY_CSV).is_file()


def close(folder: Path, plots: bool = True, tracking: Tracking | None = None) -> tuple[Run, pd.DataFrame]:
    """Write what is made of the records of a run that is done, the summary last but for copies: what has it, has all.

    Args:
        tracking: the run's trackers, which are told.
    Returns its tables and its summary. Raises RunFailed where the disk is full.
    """
    with _disk_is_full_at(folder), tracking or nullcontext():
        done = load_run(folder)
        write_demanded(done)
        write_waves(done)
        write_leak(done)
        if plots:
            from sim.analysis.run.plots import draw_all

            draw_all(done, folder / "plots")
        summary = write_summary(done)
        config = tracking.config if tracking else done.config
        if config and config.records.format == "csv+parquet":
            write_parquet(folder)
        if tracking:
            tracking.end()
        return done, summary


@contextmanager
def _disk_is_full_at(folder: Path) -> Iterator[None]:
    """Turns the error of a full disk into RunFailed."""
    try:
        yield
    except (UserError, RunFailed):
        raise
    except Exception as error:
        if full := no_space(error, folder):
            raise RunFailed(full) from error
        raise
