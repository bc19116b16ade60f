"""progress.jsonl: which jobs of a run are complete, so that an interrupted run goes on where it stopped.

The first line says what the run is, every further line that one more job is complete, in the order of the jobs. Each
line carries the tables' sizes in bytes after it. What lies beyond the last line whose sizes are all there was being
written when the run ended, and is cut off.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.errors import UserError
from sim.records import TABLES

NAME = "progress.jsonl"
RECORDED = tuple(table for table in TABLES if table != "summary")
"""Tables that a run writes; the summary is the analysis's."""

Note = Mapping[str, Any]


class Journal:
    """A run's journal, opened for going on: tables and journal are cut back to the last complete job.

    Attributes: `identity` is what the run said it is (None: nothing of it is there), `notes` one for each complete job.
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
        lines, length = _whole_lines(folder)
        self._file.truncate(length)
        _cut(folder, lines[-1]["sizes"] if lines else {})
        self.identity: Note | None = lines[0]["note"] if lines else None
        self.notes: list[Note] = [line["note"] for line in lines[1:]]

    def append(self, note: Note) -> None:
        """Say that what the tables now hold is complete."""
        line = json.dumps({"note": note, "sizes": _sizes(self.folder)})
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def progress(folder: Path) -> tuple[Note | None, int]:
    """What a run said it is, and how many of its jobs are complete; changes nothing. (None, 0): not begun."""
    lines, _ = _whole_lines(folder)
    return (lines[0]["note"], len(lines) - 1) if lines else (None, 0)


def _whole_lines(folder: Path) -> tuple[Sequence[Mapping[str, Any]], int]:
    """The leading lines that are whole and whose rows are all there, and their length in bytes."""
    path, there = folder / NAME, _sizes(folder)
    lines: list[Mapping[str, Any]] = []
    length = 0
    for raw in path.read_bytes().splitlines(keepends=True) if path.is_file() else []:
        try:
            line = json.loads(raw) if raw.endswith(b"\n") else None
        except ValueError:
            line = None
        if line is None or any(there.get(table, 0) < size for table, size in line["sizes"].items()):
            break
        lines.append(line)
        length += len(raw)
    return lines, length


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
