"""The folder of a run: made, opened again, left behind."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sim.common.disk import no_space, write_whole
from sim.common.errors import UserError
from sim.common.streams import stream
from sim.experiment.config import ELSEWHERE, Config
from sim.records.journal import progress

CONFIG = "config.toml"


def make_folder(config: Config, run_id: str) -> Path:
    """Create OUTPUT/NAME/RUN_ID with the resolved config. Raises UserError where that cannot be written."""
    folder = Path(config.output).expanduser() / config.name / run_id
    try:
        folder.mkdir(parents=True, exist_ok=False)
        write_whole(folder / CONFIG, config.to_toml())
    except (OSError, UserError) as error:
        with suppress(OSError):  # nothing is in it, or it is not there
            folder.rmdir()
        reason = no_space(error, folder) or getattr(error, "strerror", "") or str(error).rstrip(".")
        raise UserError(f"output: cannot write {str(folder)!r}: {reason}.") from error
    return folder


def discard_unbegun(folder: Path) -> None:
    """Remove the folder of a run that was refused before it recorded anything."""
    if progress(folder)[0] is None:
        shutil.rmtree(folder, ignore_errors=True)


def reopen_folder(folder: Path, config: Config | None = None, overrides: Sequence[str] = ()) -> Config:
    """The config of a run to go on with: its own, with overrides of what changes no record.

    Args:
        config: what the caller takes the run for. Raises UserError where the run began as something else.
    """
    own = folder / CONFIG
    if not own.is_file():
        raise UserError(f"{folder}: no run to resume, for it has no {CONFIG}.")
    as_begun = Config.of_run(own)
    config = config or Config.load(own, overrides)
    identity, _ = progress(folder)
    began = identity.get("config") if identity else as_begun.digest()
    if config.digest() != began:
        free = ", ".join([*(f"engine.{key}" for key in sorted(ELSEWHERE)), "records.format", "records.trackers"])
        raise UserError(f"{folder}: the config differs from the one this run began with; only {free} may change.")
    return config


def is_finished(folder: Path) -> bool:
    """Whether every job of the run is recorded."""
    identity, complete = progress(folder)
    return identity is not None and complete == identity.get("jobs")


def new_run_id(config: Config) -> str:
    """Time of day and a few random letters, so that two runs never share a folder."""
    rng = stream(time.time_ns() % 2**32, "run id")
    letters = "".join(rng.choice(list("abcdefghjkmnpqrstuvwxyz"), 4))
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{letters}"
