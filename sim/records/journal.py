"""progress.jsonl: which jobs of a run are complete, so that an interrupted run goes on where it stopped.

The first line says what the run is, every further line that one more job is complete, in the order of the jobs. Each
line carries the tables' sizes in bytes after it. What lies beyond the last line whose sizes are all there was being
written when the run ended, and is cut off.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from sim.common.errors import UserError
from sim.records.tables import DERIVED, TABLES

NAME = "progress.jsonl"
RECORDED = tuple(table for table in TABLES if table not in DERIVED)
"""Tables that a run writes; the summary is the analysis's."""

Note = Mapping[str, object]
"""What a line says beside sizes: of a run what it is, of a job what was learnt from it."""


class Journal:
    """A run's journal, opened for going on: tables and journal are cut back to the last complete job.

    Attributes: `identity` is what the run said it is (None: nothing of it is there), `complete` the number of its jobs
    that were complete when it was opened.
    Raises UserError where another process works on the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = (folder / NAME).open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UserError(f"{folder}: another process is working on this run.") from None
        self.identity: Note | None = None
        self.complete, length, sizes = 0, 0, {}
        for number, (line, end) in enumerate(_whole_lines(folder)):
            self.identity = self.identity or line["note"]
            self.complete, length, sizes = number, end, line["sizes"]
        self._file.truncate(length)
        _cut(folder, sizes)

    def notes(self) -> Iterator[Note]:
        """The notes of the jobs that were complete, one each, in order; read from the file."""
        for line, _ in islice(_whole_lines(self.folder), 1, 1 + self.complete):
            yield line["note"]

    def append(self, note: Note) -> None:
        """Say that what the tables now hold is complete."""
        line = json.dumps({"note": note, "sizes": _sizes(self.folder)})
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        with suppress(OSError):  # only bytes of a line that `append` could not write, which raised then
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def progress(folder: Path) -> tuple[Note | None, int]:
    """What a run said it is, and how many of its jobs are complete; changes nothing. (None, 0): not begun."""
    identity, lines = None, 0
    for lines, (line, _) in enumerate(_whole_lines(folder), start=1):
        identity = line["note"] if lines == 1 else identity
    return identity, max(lines - 1, 0)


def _whole_lines(folder: Path) -> Iterator[tuple[Mapping[str, Any], int]]:
    """The leading lines that are whole and whose rows are all there, each with the file's length up to its end."""
    path, there, length = folder / NAME, _sizes(folder), 0
    if not path.is_file():
        return
    with path.open("rb") as file:
        for raw in file:
            try:
                line = json.loads(raw) if raw.endswith(b"\n") else None
            except ValueError:
                line = None
            if line is None or any(there.get(table, 0) < size for table, size in line["sizes"].items()):
                return
            length += len(raw)
            yield line, length


def _sizes(folder: Path) -> dict[str, int]:
    paths = {table: folder / f"{table}.csv" for table in RECORDED}
    return {table: path.stat().st_size for table, path in paths.items() if path.is_file()}


def _cut(folder: Path, sizes: Mapping[str, int]) -> None:
    for table, size in _sizes(folder).items():
        path = folder / f"{table}.csv"
        if table not in sizes:
            path.unlink()
        elif size > sizes[table]:
            os.truncate(path, sizes[table])
