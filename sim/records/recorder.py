"""Rows into the CSV files of a run, in the order of the jobs."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from sim.common.disk import writing
from sim.common.errors import UserError
from sim.records.cells import header
from sim.records.tables import TABLES, Row, Rows


class Recorder:
    """Appends the rows of jobs to the CSV files, in the order of the jobs whatever order they arrive in.

    So the files of two runs are equal line by line for any number of workers. Rows that arrive early wait in
    memory; `close` writes them too, so that a failed run keeps every finished cohort.

    Args:
        first: the job to go on with; the rows of those before it are in the files.
        on_written: called with a job's index when its rows and all before them are in the files.
        of: cells that every row has: which run it is of.
    """

    def __init__(
        self, folder: Path, first: int = 0, on_written: Callable[[int], None] = lambda _: None, of: Row | None = None
    ) -> None:
        self.folder, self._of = folder, dict(of or {})
        self._files: dict[str, tuple[TextIO, Any]] = {}
        self._waiting: dict[int, Rows] = {}
        self._next, self._on_written = first, on_written

    def add(self, index: int, rows: Rows) -> None:
        """Hand in the rows of job `index` (each index once, from `first`)."""
        self._waiting[index] = rows
        while self._next in self._waiting:
            self.write(self._waiting.pop(self._next))
            self._on_written(self._next)
            self._next += 1

    def write(self, rows: Rows) -> None:
        """Append rows now. Raises UserError where the file that is there has other columns."""
        for table, some in rows.items():
            if table not in self._files:
                self._files[table] = self._open(table)
            handle, writer = self._files[table]
            names = [c.name for c in TABLES[table]]
            if unknown := {key for row in some for key in row} - set(names):
                raise ValueError(f"{table}.csv has no column {sorted(unknown)[0]!r}")
            with writing(self._path(table)):
                writer.writerows([_cell(row.get(name, self._of.get(name))) for name in names] for row in some)
                handle.flush()

    def _open(self, table: str) -> tuple[TextIO, Any]:
        with writing(self._path(table)):
            handle = self._path(table).open("a", newline="", encoding="utf-8")
        writer, names = csv.writer(handle), [c.name for c in TABLES[table]]
        if handle.tell() == 0:
            writer.writerow(names)
        elif header(self._path(table)) != names:
            handle.close()
            raise UserError(
                f"{self._path(table)}: its columns are those of another version, with which alone this run can go on."
            )
        return handle, writer

    def _path(self, table: str) -> Path:
        return self.folder / f"{table}.csv"

    def close(self) -> None:
        for index in sorted(self._waiting):
            self.write(self._waiting.pop(index))
        for table, (handle, _) in self._files.items():
            with writing(self._path(table)):
                handle.close()
        self._files.clear()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _cell(value: Any) -> Any:
    if value is None or value != value:  # nothing, or NaN (a loss that diverged): an empty cell
        return ""
    if isinstance(value, bool):  # in small letters nearly everything that reads CSV takes it for a boolean
        return "true" if value else "false"
    return repr(float(value)) if isinstance(value, float) else value
