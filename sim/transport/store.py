"""How LLMs, pools and offers reach workers: once, as files and folders named by a hash of their content.

A store is a folder or any fsspec URL (`engine.store`) that the driver and the workers reach; a worker copies what it
needs into its own cache, once. Without one the store is the driver's cache and nothing is copied: what is put is only
linked to, which suits workers on this machine or on a file system that all machines share.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path, PurePosixPath

import fsspec

from sim.common.cache import built, cache_dir, folder_digest
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.paths import PathKey

PREFIX = "store:"
"""How a setting begins that names something in the store."""
DONE = ".complete"
"""Written last: without it an upload was interrupted."""


class Store:
    """Args: url: a folder or fsspec URL; "": this machine's cache, by links."""

    def __init__(self, url: str = "") -> None:
        self.linked = not url or url.startswith(PREFIX)
        self.url = url or f"{PREFIX}{cache_dir().resolve() / 'store'}"

    def put(self, what: Path) -> str:
        """Put a file or folder there, unless it is; returns the name to fetch it by. Raises UserError."""
        digest = _digest(what)
        if self.linked:
            _link(self._root / digest, what.resolve())
            return PREFIX + digest
        try:
            files, root = fsspec.core.url_to_fs(self.url)
            there = f"{root}/{digest}"
            if not files.exists(f"{there}/{DONE}"):
                for file in sorted(f for f in what.rglob("*") if f.is_file()) if what.is_dir() else [what]:
                    into = f"{there}/{PurePosixPath(what.name, file.relative_to(what))}"
                    files.makedirs(into.rpartition("/")[0], exist_ok=True)
                    files.put_file(str(file), into)
                files.pipe_file(f"{there}/{DONE}", what.name.encode())
        except (OSError, ValueError, ImportError) as error:
            raise UserError(f"engine.store: cannot write to {self.url!r}: {error}.") from error
        return PREFIX + digest

    def fetch(self, name: str) -> Path:
        """The file or folder of a name that `put` returned; anything else is a path. Raises UserError."""
        if not name.startswith(PREFIX):
            return Path(name)
        digest = name.removeprefix(PREFIX)
        if self.linked:
            return self._linked(digest)
        holder = built(cache_dir() / "fetched" / digest, lambda folder: self._download(digest, folder))
        return next(path for path in holder.iterdir() if path.name != DONE)

    @property
    def _root(self) -> Path:
        return Path(self.url.removeprefix(PREFIX))

    def _linked(self, digest: str) -> Path:
        path = self._root / digest
        if not path.exists():
            raise UserError(
                f"engine.store: this worker has no {str(path)!r}; name a folder or URL that all machines reach."
            )
        return path.resolve()

    def _download(self, digest: str, folder: Path) -> None:
        try:
            files, root = fsspec.core.url_to_fs(self.url)
            name = files.cat_file(f"{root}/{digest}/{DONE}").decode()
            files.get(f"{root}/{digest}/{name}", str(folder / name), recursive=True)
        except (OSError, ValueError, ImportError) as error:
            raise UserError(f"engine.store: cannot read {digest[:12]} from {self.url!r}: {error}.") from error
        if _digest(folder / name) != digest:
            shutil.rmtree(folder / name, ignore_errors=True)
            raise UserError(f"engine.store: what {self.url!r} holds as {digest[:12]} is broken; remove it there.")


def _digest(what: Path) -> str:
    return folder_digest(what) if what.is_dir() else hashlib.sha256(what.read_bytes()).hexdigest()


def _link(link: Path, target: Path) -> None:
    """Lead to where the content was just read: an older place may have changed, or be gone."""
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}-{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def shipped(config: Config, model: str, summarizer: str, store: Store) -> Config:
    """The config as workers get it: every path replaced by its name in the store.

    Args:
        model, summarizer: folders, or names on the hub, of the LLMs that the config means.
    """

    def put(value: str, key: PathKey) -> str:
        return store.put(Path(value)) if key.workers != "never" and Path(value).exists() else value

    llm = config.llm.model_copy(update={"model": model, "summarizer": summarizer})
    return config.model_copy(update={"llm": llm}).with_paths(put)


def received(config: Config, store: Store) -> Config:
    """The config that `shipped` made, with paths on this machine for what is read early; LLMs are fetched when used."""

    def here(value: str, key: PathKey) -> str:
        return str(store.fetch(value)) if key.workers == "at once" and value.startswith(PREFIX) else value

    return config.with_paths(here)
