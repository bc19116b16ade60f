"""The folder of a Ray that Headstart starts, and what runs that died have left of theirs.

Ray keeps sockets, logs and spilled objects in a folder, by default one for everybody. Here each run has its own, held
by a lock that ends with the process: a folder that nobody holds is a dead run's, and is cleared away with the
processes that belong to it. All others, and other people's Rays, are left alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from sim.common.cache import cache_dir
from sim.common.errors import UserError

MARK = "HEADSTART_RAY"
"""Environment variable of all processes of such a Ray: the folder that they belong to."""
SOCKET = "12345678/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""What Ray's longest socket is called in a place where folders are made."""
LONGEST = (103 if sys.platform == "darwin" else 107) - len(f"/{SOCKET}")
"""Bytes of a place whose sockets the operating system can open."""


@contextmanager
def session_folder() -> Iterator[Path]:
    """A new folder that only this account can read, held until the end; then it and its processes are gone.

    It lies in the cache, or, where that has too long a path or cannot be written, in the folder for temporary files
    (which is said). Raises UserError where neither will do.
    """
    folder, held = _taken()
    try:
        with held:
            yield folder
    finally:
        _clear(folder)


def _taken() -> tuple[Path, IO[str]]:
    refused: list[str] = []
    for place in (cache_dir().resolve() / "ray", Path(tempfile.gettempdir()) / f"headstart-{os.getuid()}"):
        try:
            taken = _take(place)
        except OSError as error:
            refused.append(f"{str(place)!r}: {error.strerror}")
            continue
        if refused:
            print(f"headstart: Ray's files go to {str(place)!r}, not to {refused[0]}", file=sys.stderr)
        return taken
    raise UserError(f"no folder for Ray's files ({'; '.join(refused)}); set HEADSTART_CACHE or TMPDIR to another one.")


def _take(place: Path) -> tuple[Path, IO[str]]:
    """Clear away what dead runs left in a place, and make a folder there; returns it and the lock that holds it.

    Raises OSError.
    """
    if len(os.fsencode(place)) > LONGEST:
        raise OSError(errno.ENAMETOOLONG, f"a socket's path there is too long, at most {LONGEST} bytes will do")
    place.mkdir(parents=True, exist_ok=True)
    if place.lstat().st_uid != os.getuid():
        raise PermissionError(errno.EPERM, "it belongs to somebody else")
    place.chmod(0o700)  # Ray opens its own folder to everybody
    with (place / "lock").open("w") as gate:  # nobody clears away a folder that is not held yet
        fcntl.flock(gate, fcntl.LOCK_EX)
        for folder in filter(Path.is_dir, place.iterdir()):
            with suppress(OSError), _hold(folder):
                _clear(folder)
        folder = Path(tempfile.mkdtemp(prefix="", dir=place))
        return folder, _hold(folder)


def _hold(folder: Path) -> IO[str]:
    """Lock a folder until the file is closed or this process ends. Raises OSError where another holds it."""
    held = (folder / "held").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise
    return held


def _clear(folder: Path) -> None:
    """End the processes of this machine that belong to a folder, and remove it."""
    ended = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == str(folder):
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, timeout=5)
    shutil.rmtree(folder, ignore_errors=True)
