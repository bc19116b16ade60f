"""progress.jsonl: which jobs of a run are complete, so that an interrupted run goes on where it stopped.

The first line says what the run is, every further line that one more job is complete, in the order of the jobs. Each
line carries the tables' sizes in bytes after it, and the digests of so many bytes of them; a job's line also its own
digest, which that of the line before goes into. A run goes on after the last line for which all of this holds. What
lies beyond was being written when the run ended, and is cut off; or it is damaged, and is copied aside first, and said.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Any

from sim.common.cache import READ, signature
from sim.common.disk import writing
from sim.common.errors import UserError
from sim.records.tables import DERIVED, TABLES

NAME = "progress.jsonl"
RECORDED = tuple(table for table in TABLES if table not in DERIVED)
"""Tables that a run writes; the summary is the analysis's."""
OF_JOBS = ("users", "ladder", "curves", "choices", "membership", "failures")
"""Tables of which nothing is written before the journal has its first line."""
ASIDE = "damaged"
"""How the name of a folder begins that damaged records are copied to; a number follows."""

Note = Mapping[str, object]
"""What a line says beside sizes: of a run what it is, of a job what was learnt from it."""


class Journal:
    """A run's journal, opened for going on: tables and journal are cut back to the last complete job.

    Attributes: `identity` is what the run said it is (None: nothing of it is there), `complete` the number of its jobs
    that were complete when it was opened.
    Raises UserError where another process works on the run, or it may not be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with writing(folder / NAME):
            self._file = (folder / NAME).open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UserError(f"{folder}: another process is working on this run.") from None
        found = Reader(folder)
        self.identity, self.complete = found.identity if found.length else None, found.complete
        with writing(folder):
            if what := found.wrong or _without_journal(folder, found):
                _copy_aside(folder, what, found.complete)
            self._file.truncate(found.length)
            _cut(folder, found.sizes)
        self._last, self._begun = found.last, bool(found.length)
        self._tables = Tables(folder) if found.wrong else found.tables  # those were read beyond where they were cut

    def notes(self, first: int = 0, count: int | None = None) -> Iterator[Note]:
        """The notes of so many jobs from the first on, one each, in order; read from the file.

        Args:
            count: None: those that were complete when the journal was opened.
        """
        with (self.folder / NAME).open("rb") as file:
            for raw in islice(file, 1 + first, 1 + (self.complete if count is None else first + count)):
                yield json.loads(raw)["note"]

    def append(self, note: Note) -> None:
        """Say that what the tables now hold is complete."""
        sizes = _sizes(self.folder)
        line: dict[str, object] = {"note": note, "sizes": sizes, "digests": self._tables.digests(sizes)}
        if self._begun:
            line["digest"] = self._last = _digest(self._last, line)
        with writing(self.folder / NAME):
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
            if not self._begun:
                os.fsync(self._file.fileno())
        self._begun = True

    def close(self) -> None:
        self._tables.close()
        with suppress(OSError):  # only bytes of a line that `append` could not write, which raised then
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def progress(folder: Path) -> tuple[Note | None, int]:
    """What a run said it is, and how many of its jobs are complete; changes nothing. (None, 0): not begun.

    All that the journal vouches for is read and held to it; again only where a file has changed since.
    """
    return _progress(folder.resolve(), signature(folder)) if (folder / NAME).is_file() else (None, 0)


@lru_cache(maxsize=4096)
def _progress(folder: Path, _signature: str) -> tuple[Note | None, int]:
    found = Reader(folder)
    found.tables.close()
    return found.identity, found.complete


class Reader:
    """A run's journal, read together with the tables as far as both are what was written.

    Attributes: `identity`, what the first line says; `complete` jobs, up to which the journal has `length` bytes, the
    tables have `sizes`, and the last line has the digest `last`; `wrong`, what is damaged behind that, or "".
    """

    def __init__(self, folder: Path) -> None:
        self.identity: Note | None = None
        self.complete = self.length = 0
        self.sizes: Mapping[str, int] = {}
        self.last = self.wrong = ""
        self.tables = Tables(folder)
        self._digested = True
        try:
            with (folder / NAME).open("rb") as file:
                for number, raw in enumerate(file):
                    if not raw.endswith(b"\n"):  # torn
                        break
                    self.wrong = self._take(number, raw)
                    if self.wrong:
                        break
                    self.complete, self.length = number, self.length + len(raw)
        except OSError as error:
            raise UserError(f"{error.filename or folder}: cannot be read ({error.strerror}).") from error

    def _take(self, number: int, raw: bytes) -> str:
        """Take in a line, the first of which is number 0. Returns what is wrong with it, or with the tables."""
        here = f"line {number + 1} of {NAME}"
        try:
            line = _line(raw)
            if number and not all(map(_by_user, line["note"].values())):
                raise ValueError("note")
        except (KeyError, TypeError, ValueError, RecursionError):
            return f"{here} is broken"
        if number == 0:
            self.identity = line["note"]
            self._digested = "digests" in line  # 0.1.0 wrote none
        sizes, digest = line["sizes"], line.pop("digest", "")
        if number and self._digested and digest != _digest(self.last, line):
            return f"{here} is not what was written"
        found = self.tables.digests(sizes)
        for table in sizes:
            if not found[table]:
                return f"{table}.csv is shorter than {here} says"
            if self._digested and line.get("digests", {}).get(table) != found[table]:
                return f"{table}.csv is not what was written before {here}"
        self.sizes, self.last = sizes, digest
        return ""


class Tables:
    """The tables of a run, each read once from beginning to end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[FileIO, Any]] = {}

    def digests(self, sizes: Mapping[str, int]) -> dict[str, str]:
        """Read on to these sizes; digests of all up to there, "" for a table that is shorter or was read further."""
        return {table: self._digest(table, size) for table, size in sizes.items()}

    def _digest(self, table: str, size: int) -> str:
        if table not in self._read:
            path = self._folder / f"{table}.csv"
            if not path.is_file():
                return ""
            self._read[table] = path.open("rb", buffering=0), hashlib.sha256()  # nothing is read ahead, and then cut
        file, seen = self._read[table]
        while (left := size - file.tell()) > 0:
            if not (piece := file.read(min(left, READ))):
                return ""
            seen.update(piece)
        return seen.hexdigest()[:32] if left == 0 else ""

    def close(self) -> None:
        for file, _ in self._read.values():
            file.close()


def _line(raw: bytes) -> dict[str, Any]:
    """A line in the shape that `append` gives it. Raises: KeyError, TypeError, ValueError, RecursionError."""
    line = json.loads(raw)
    sizes = line["sizes"]
    if not all(isinstance(part, dict) for part in (line["note"], sizes, line.get("digests", {}))):
        raise TypeError(line)
    if not isinstance(line.get("digest", ""), str):
        raise TypeError(line)
    if not all(table in RECORDED and type(size) is int and size >= 0 for table, size in sizes.items()):
        raise ValueError(sizes)
    return dict(line)


def _by_user(learnt: object) -> bool:
    """Whether something learnt from a job is what notes hold: numbers, text or null, by users' numbers."""
    return isinstance(learnt, dict) and all(
        user.isdecimal() and (value is None or type(value) in (int, float, str)) for user, value in learnt.items()
    )


def _digest(last: str, line: Mapping[str, object]) -> str:
    """The digest of a job's line, which that of the line before goes into: none can be changed, lost or moved."""
    return hashlib.sha256((last + json.dumps(line, sort_keys=True)).encode()).hexdigest()[:32]


def _without_journal(folder: Path, found: Reader) -> str:
    """What is wrong where jobs left rows, but the journal has no line."""
    rows = [table for table in OF_JOBS if table in _sizes(folder)]
    return f"{rows[0]}.csv has rows that no line of {NAME} is about" if rows and not found.length else ""


def _copy_aside(folder: Path, what: str, complete: int) -> None:
    number = 1
    while (aside := folder / f"{ASIDE}-{number}").exists():
        number += 1
    aside.mkdir()
    for path in (folder / NAME, *(folder / f"{table}.csv" for table in _sizes(folder))):
        shutil.copy2(path, aside)
    logging.getLogger("headstart").warning(
        "headstart: %s: %s; the run goes on after job %d, and what was there is kept in %s.",
        folder, what, complete, aside.name,
    )  # fmt: skip


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
