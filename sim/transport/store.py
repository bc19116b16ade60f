"""How LLMs, pools and offers reach workers: once, as files and folders named by a hash of their content.

A store is a folder or any fsspec URL (`engine.store`) that the driver and the workers reach; a worker copies what it
needs into its own cache, once. Without one nothing is copied: a name then also says where the driver has it, which
suits workers on this machine or on a file system that all machines share.
"""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

import fsspec

from sim.common.cache import SEAL, built, cache_dir, file_digest, files_of, known_digest
from sim.common.disk import no_space
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.paths import PathKey, there

PREFIX = "store:"
"""How a setting begins that names something in the store."""
DONE = ".complete"
"""Written last: without it an upload was interrupted."""


class Store:
    """Args: url: a folder or fsspec URL; "": where things lie."""

    def __init__(self, url: str = "") -> None:
        self.url = url

    def put(self, what: Path) -> str:
        """Put a file or folder there, unless it is; returns the name to fetch it by. Raises UserError."""
        digest = _digest(what)
        if not self.url:
            return f"{PREFIX}{digest}:{what.resolve()}"
        try:
            files, root = fsspec.core.url_to_fs(self.url)
            there = f"{root}/{digest}"
            if not files.exists(f"{there}/{DONE}"):
                for name, file in files_of(what) if what.is_dir() else [("", what)]:
                    into = f"{there}/{PurePosixPath(what.name, name)}"
                    files.makedirs(into.rpartition("/")[0], exist_ok=True)
                    files.put_file(str(file), into)
                files.pipe_file(f"{there}/{DONE}", what.name.encode())
        except (OSError, ValueError, ImportError) as error:
            reason = no_space(error, Path(root)) if isinstance(error, OSError) else ""
            raise UserError(f"engine.store: cannot write to {self.url!r}: {reason or error}.") from error
        return PREFIX + digest

    def fetch(self, name: str) -> Path:
        """The file or folder of a name that `put` returned; anything else is a path. Raises UserError."""
        if not name.startswith(PREFIX):
            return Path(name)
        digest, _, here = name.removeprefix(PREFIX).partition(":")
        if here:
            return _there(Path(here))
        holder = built(cache_dir() / "fetched" / digest, lambda folder: self._download(digest, folder))
        return next(path for path in holder.iterdir() if path.name not in (DONE, SEAL))

    def _download(self, digest: str, folder: Path) -> None:
        try:
            files, root = fsspec.core.url_to_fs(self.url)
            name = _within(files.cat_file(f"{root}/{digest}/{DONE}").decode())
            there = f"{root}/{digest}/{name}"
            for file in files.find(there):
                into = folder / name / _within(file.removeprefix(there).lstrip("/"))
                into.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(file, str(into))
        except (OSError, ValueError, ImportError) as error:
            raise UserError(f"engine.store: cannot read {digest[:12]} from {self.url!r}: {error}.") from error
        if _digest(folder / name) != digest:
            shutil.rmtree(folder / name, ignore_errors=True)
            raise UserError(f"engine.store: what {self.url!r} holds as {digest[:12]} is broken; remove it there.")


def _within(name: str) -> str:
    """A name that somebody else wrote down, which must not lead out of the folder that it is put in. ValueError."""
    if ".." in PurePosixPath(name).parts or name.startswith("/"):
        raise ValueError(f"{name!r} leads out of the store")
    return name


def _digest(what: Path) -> str:
    return known_digest(what) if what.is_dir() else file_digest(what)


def _there(path: Path) -> Path:
    if not path.exists():
        raise UserError(
            f"engine.store: this worker has no {str(path)!r}; name a folder or URL that all machines reach."
        )
    return path


def shipped(config: Config, model: str, summarizer: str, store: Store) -> Config:
    """The config as workers get it: every path replaced by its name in the store.

    Args:
        model, summarizer: folders, or names on the hub, of the LLMs that the config means.
    """

    def put(value: str, key: PathKey) -> str:
        return store.put(Path(value)) if key.workers != "never" and there(value) else value

    llm = config.llm.model_copy(update={"model": model, "summarizer": summarizer})
    return config.model_copy(update={"llm": llm}).with_paths(put)


def received(config: Config, store: Store) -> Config:
    """The config that `shipped` made, with paths on this machine for what is read early; LLMs are fetched when used."""

    def here(value: str, key: PathKey) -> str:
        return str(store.fetch(value)) if key.workers == "at once" and value.startswith(PREFIX) else value

    return config.with_paths(here)
