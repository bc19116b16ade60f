"""The cache: folders of built things, kept between runs, each named by a hash of what made it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from sim.common.plain import check_plain


def cache_dir() -> Path:
    """The cache's folder: `$HEADSTART_CACHE`, else `$XDG_CACHE_HOME/headstart`, else `~/.cache/headstart`."""
    if own := os.environ.get("HEADSTART_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headstart"


def digest(made_of: Mapping[str, object]) -> str:
    """A short hash of plain values.

    Raises: TypeError, naming the place, for anything else: what `str` makes of an object may be the same for another,
    as of a long array, or differ between processes. `sim.common.plain.as_plain` makes most values plain.
    """
    check_plain(made_of, "made_of")
    text = json.dumps(made_of, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def folder_digest(folder: Path, without: str = "") -> str:
    """A hash of the names and contents of a folder's files, those of a subfolder left out."""
    out = hashlib.sha256()
    files = (f for f in folder.rglob("*") if f.is_file() and f.relative_to(folder).parts[0] != without)
    for file in sorted(files):
        out.update(str(file.relative_to(folder)).encode())
        with file.open("rb") as content:  # piece by piece: an LLM's files may be larger than memory
            while piece := content.read(1 << 22):
                out.update(piece)
    return out.hexdigest()


def built(folder: Path, build: Callable[[Path], None]) -> Path:
    """The same `folder`, built first where it is missing.

    It appears whole or not at all: `build` fills a temporary folder beside it, which is then renamed. Of two processes
    that build at once, the first wins.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        build(temporary)
        temporary.chmod(0o755)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def signature(folder: Path) -> str:
    """Tells whether a folder's files have changed: a hash of their names, sizes and times, without reading them."""
    out = hashlib.sha256()
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        stat = file.stat()
        out.update(f"{file.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return out.hexdigest()
