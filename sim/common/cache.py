"""The cache: folders of built things, kept between runs, each named by a hash of what made it.

Each carries the digest of its content, and is checked against it once by every process that opens it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from sim.common.disk import filling, write_whole, writing
from sim.common.errors import UserError
from sim.common.plain import check_plain

SEAL = "content.sha256"
"""The file in a folder that holds the digest of all others."""
ASIDE = ".damaged"
"""How the name of a folder begins to end that was set aside; a number follows."""
READ = 1 << 22
"""Bytes read at a time: an LLM's files may be larger than memory."""


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


# ---------------------------------------------------------------- what a folder holds


def folder_digest(folder: Path, without: str = "") -> str:
    """A hash of the names and contents of a folder's files, but for its seal and those of one subfolder.

    Links are followed: what counts is what is read through them.
    Raises: UserError that names what cannot be read: a link that leads nowhere or into a circle, a pipe.
    """
    out = hashlib.sha256()
    for name, path in files_of(folder, without):
        if name == SEAL:
            continue
        out.update(hashlib.sha256(os.fsencode(name)).digest() + bytes.fromhex(file_digest(path)))
    return out.hexdigest()


def file_digest(path: Path) -> str:
    """A hash of a file's content. Raises UserError."""
    out = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(READ):
                out.update(piece)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    return out.hexdigest()


def signature(folder: Path) -> str:
    """Tells whether a folder's files have changed, without reading them: a hash of names, sizes, times and places."""
    out = hashlib.sha256()
    for name, path in files_of(folder):
        stat = path.stat()
        seen = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        out.update(hashlib.sha256(os.fsencode(name)).digest() + repr(seen).encode())
    return out.hexdigest()


def known_digest(folder: Path, without: str = "") -> str:
    """`folder_digest`, for which a process reads a folder once, and again only where `signature` tells of a change."""
    return _known_digest(folder.resolve(), without, signature(folder))


@lru_cache(maxsize=4096)
def _known_digest(folder: Path, without: str, _signature: str) -> str:
    return folder_digest(folder, without)


def files_of(folder: Path, without: str = "") -> list[tuple[str, Path]]:
    """The relative names and the paths of a folder's files, by name, those of one subfolder left out.

    Raises: UserError, as `folder_digest`.
    """
    found: list[tuple[str, Path]] = []
    todo: list[tuple[str, Path, tuple[tuple[int, int], ...]]] = [("", folder, ())]
    while todo:
        prefix, at, above = todo.pop()
        try:
            stat, entries = at.stat(), list(os.scandir(at))
        except OSError as error:
            raise UserError(f"{at}: cannot be read ({error.strerror}).") from error
        if (here := (stat.st_dev, stat.st_ino)) in above:
            raise UserError(f"{at}: a link that leads into a circle.")
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir():
                todo += [(f"{name}/", Path(entry.path), (*above, here))] if name != without else []
            elif entry.is_file():
                found.append((name, Path(entry.path)))
            else:
                raise UserError(f"{entry.path}: neither a file nor a folder, or a link that leads nowhere.")
    return sorted(found)


# ---------------------------------------------------------------- folders that carry their digest


def seal(folder: Path, without: str = "") -> None:
    """Let a folder carry the digest of its content."""
    write_whole(folder / SEAL, folder_digest(folder, without) + "\n")


def damage(folder: Path, without: str = "") -> str:
    """What is wrong with a folder that should carry the digest of its content; "": nothing."""
    if not (folder / SEAL).is_file():
        return f"it has no {SEAL}, so it is half-written or something else"
    try:
        sealed = (folder / SEAL).read_bytes().strip()
        return "" if known_digest(folder, without).encode() == sealed else f"what it holds is not what {SEAL} says"
    except (UserError, OSError) as error:
        return str(error).rstrip(".")


def require_whole(folder: Path, mend: str, without: str = "") -> Path:
    """The same folder. Raises UserError, which says how to mend it, unless it carries the digest of its content."""
    if what := damage(folder, without):
        raise UserError(f"{folder}: damaged ({what}); {mend}.")
    return folder


def built(folder: Path, build: Callable[[Path], None], without: str = "") -> Path:
    """The same `folder`, built first where it is missing. One that is damaged is set aside, which is said, and rebuilt.

    It appears whole or not at all: `build` fills a temporary folder beside it, which is then renamed. Of two processes
    that build at once, the first wins.

    Args:
        without: subfolder that its digest does not cover.
    Raises: UserError where the folder's place may not be written and something has to be.
    """
    if os.path.lexists(folder):
        if not (what := damage(folder, without)):
            return folder
        _set_aside(folder, what)
    with writing(folder, "; HEADSTART_CACHE names another cache" if folder.is_relative_to(cache_dir()) else ""):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with filling(folder):
            build(temporary)
            seal(temporary, without)
        temporary.chmod(0o755)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _set_aside(folder: Path, what: str) -> None:
    number = 1
    while os.path.lexists(aside := folder.with_name(f"{folder.name}{ASIDE}-{number}")):
        number += 1
    with writing(folder, f"; it is damaged ({what}) and cannot be set aside"):
        folder.rename(aside)
    logging.getLogger("headstart").warning("headstart: %s: %s; kept as %s and built again.", folder, what, aside.name)
