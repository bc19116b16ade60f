"""Files that are there whole or not at all, and what a disk is called that is full or may not be written."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.common.errors import UserError

FULL = {errno.ENOSPC: "no space left", errno.EDQUOT: "no quota left", errno.EFBIG: "no larger file allowed"}
SAID = {  # by libraries whose errors carry no number: safetensors, numpy, torch, Pillow
    errno.ENOSPC: re.compile(
        r"No space left on device|os error 28\b|code: 28\b|\d+ requested and \d+ written"
        r"|PytorchStreamWriter failed writing|unexpected pos \d+ vs \d+|encoder error -2 when writing"
    ),
    errno.EDQUOT: re.compile(rf"Disk quota exceeded|os error {errno.EDQUOT}\b|code: {errno.EDQUOT}\b"),
    errno.EFBIG: re.compile(r"File too large|os error 27\b|code: 27\b"),
}
REFUSED = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
)
"""What an error says that the user mends by naming another place."""


@contextmanager
def filling(place: Path) -> Iterator[None]:
    """Within, an error that says that a disk is full says which: that of `place`, where it names none itself.

    Raises: OSError with a number of `FULL` and a path, in whatever words a library says so.
    """
    try:
        yield
    except Exception as error:
        if _named(error) or not (code := _full(error)):
            raise
        raise OSError(code, FULL[code], str(place)) from error


@contextmanager
def writing(place: Path, hint: str = "") -> Iterator[None]:
    """As `filling`, and UserError, which ends with `hint`, where a file or folder may not be written."""
    try:
        with filling(place):
            yield
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        raise UserError(f"cannot write {_named(error) or str(place)!r}: {error.strerror}{hint}.") from error


def no_space(error: BaseException, *folders: Path) -> str:
    """One line that names the disk, where an error, or what led to it, says that one is full; else "".

    Where no path is known, it is the disk with least space of those that `folders` and temporary files lie on.
    """
    at: BaseException | None = error
    while at is not None:
        if code := _full(at):
            written = [Path(_named(at))] if _named(at) else [*folders, Path(tempfile.gettempdir())]
            disks = map(disk_of, written)
            free, disk = min((shutil.disk_usage(disk).free, str(disk)) for disk in disks)
            return f"{FULL[code]} on the disk at {disk} ({free / 1e6:,.0f} MB free)"
        at = at.__cause__ or at.__context__
    return ""


def _named(error: BaseException) -> str:
    """The path that an error names, of two the one that was written; "": none."""
    names = (error.filename2, error.filename) if isinstance(error, OSError) else ()
    return next((name for name in names if isinstance(name, str)), "")


def _full(error: BaseException) -> int:
    """The number of `FULL` that an error says; 0: another."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in FULL else 0
    return next((code for code, said in SAID.items() if said.search(str(error))), 0)


def disk_of(path: Path) -> Path:
    """Where the file system that holds a path, which need not exist yet, is mounted."""
    path = path.resolve()
    while not path.exists() or not os.path.ismount(path):
        path = path.parent
    return path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file that is there whole or not at all, whatever happens in between, power cuts included.

    Raises: as `writing`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with writing(path):
        try:
            with temporary.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
