"""What lies in a folder of results, newest first: runs, sweeps, and `latest`, a name for the newest of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.records.folder import CONFIG, is_finished
from sim.records.journal import NAME as JOURNAL

LATEST = "latest"
RUNS = "runs.csv"
"""The file that makes a folder of runs a sweep."""
COMPLETE, UNFINISHED, RECORDS = "complete", "unfinished", "records"
"""States of a run: all jobs recorded; not all; records without the journal that would tell."""


@dataclass(frozen=True)
class Entry:
    """A run, or a sweep with the runs in it."""

    folder: Path
    runs: tuple[Path, ...]
    is_sweep: bool

    @cached_property
    def written(self) -> float | None:
        """When the last job was recorded, or where none was the config (seconds since 1970); None: not known."""
        return max((time for run in self.runs if (time := _written(run)) is not None), default=None)

    @property
    def state(self) -> str:
        """`UNFINISHED` where any run is, `RECORDS` where of none is more known, else `COMPLETE`."""
        states = {state_of(run) for run in self.runs}
        return next((state for state in (UNFINISHED, COMPLETE) if state in states), RECORDS)


def entries(output: Path) -> list[Entry]:
    """The runs and sweeps of OUTPUT or of OUTPUT/NAME, newest first, those of unknown age last.

    Raises: UserError where there is no such folder.
    """
    found = sorted(_entries(output), key=lambda entry: str(entry.folder))
    return sorted(found, key=lambda entry: -(entry.written or 0))


def _entries(output: Path, depth: int = 2) -> Iterator[Entry]:
    for folder in _folders(output):
        if (folder / RUNS).is_file():
            yield Entry(folder, tuple(run for run in _folders(folder) if _is_run(run)), True)
        elif _is_run(folder):
            yield Entry(folder, (folder,), False)
        elif depth > 1:
            yield from _entries(folder, depth - 1)


def _folders(folder: Path) -> list[Path]:
    try:
        return [Path(entry) for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror}).") from error


def _is_run(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or (folder / "users.csv").is_file()


def state_of(run: Path) -> str:
    """`COMPLETE`, `UNFINISHED` or `RECORDS`."""
    if _is_copy(run):
        return RECORDS
    return COMPLETE if is_finished(run) else UNFINISHED


def _is_copy(run: Path) -> bool:
    """Whether there are records, and no journal."""
    return not (run / JOURNAL).is_file() and any((run / f"{table}.csv").is_file() for table in ("users", "summary"))


def _written(run: Path) -> float | None:
    if _is_copy(run):
        return None
    return (run / (JOURNAL if (run / JOURNAL).is_file() else CONFIG)).stat().st_mtime


# ---------------------------------------------------------------- the newest


def resolved(folder: Path, sweeps: bool = False, begun: bool = False) -> Path:
    """The same folder; for `latest`, that of the newest run in `results`, and for FOLDER/latest in that folder.

    Args:
        sweeps: a sweep counts as one, and not its runs.
        begun: a run counts also before any user has finished.
    Raises: UserError where there is none.
    """
    if folder.name != LATEST or folder.exists():
        return folder
    output = folder.parent if len(folder.parts) > 1 else Path(Config().output)
    found = entries(output) if output.is_dir() else []
    newest = [(entry.written, entry.folder) for entry in found if sweeps and entry.is_sweep]
    runs = [run for entry in found if not (sweeps and entry.is_sweep) for run in entry.runs]
    newest += [(_written(run), run) for run in runs if begun or (run / "users.csv").is_file()]
    dated = [(written, path) for written, path in newest if written is not None]
    if not dated:
        raise UserError(f"{folder}: there is no run in {str(output)!r} yet; OUTPUT/{LATEST} looks elsewhere.")
    return max(dated)[1]
