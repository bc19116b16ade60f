"""Files that are there whole or not at all, and what a full disk is called."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from sim.common.cache import cache_dir

FULL = {errno.ENOSPC: "no space left", errno.EDQUOT: "no quota left", errno.EFBIG: "no larger file allowed"}


def no_space(error: BaseException, *folders: Path) -> str:
    """One line that names the disk, where an error says that it is full; else "".

    Python does not say which file could not be written: of the disks that a run writes to, the one with least space.
    """
    if not isinstance(error, OSError) or error.errno not in FULL:
        return ""
    named = [Path(error.filename).parent] if isinstance(error.filename, str) else []
    written = named or [*folders, cache_dir(), Path(tempfile.gettempdir())]
    free, disk = min((shutil.disk_usage(d).free, str(d)) for d in map(disk_of, written))
    return f"{FULL[error.errno]} on the disk at {disk} ({free / 1e6:,.0f} MB free)"


def disk_of(path: Path) -> Path:
    """Where the file system that holds a path, which need not exist yet, is mounted."""
    path = path.resolve()
    while not path.exists() or not os.path.ismount(path):
        path = path.parent
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all, whatever happens in between."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
