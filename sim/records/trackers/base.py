"""What a tracker is: four calls, in this order, of which the second comes again and again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from sim.common.errors import UserError
from sim.experiment.registry import Registry

PROJECT = "headstart"
"""What runs are grouped under where nobody says otherwise."""


@dataclass(frozen=True)
class Tracked:
    """A run as a tracker sees it.

    Attributes:
        name: of the experiment.
        folder: where the run's records lie; its last part is the run's id.
        settings: every key of the config, dotted, with its value.
        known: what `begin` returned when the run was begun first; "" for a run that is new to the tracker.
    """

    name: str
    folder: Path
    settings: Mapping[str, object]
    known: str = ""

    @property
    def label(self) -> str:
        """What the run is called, as its folder is."""
        return f"{self.name}/{self.folder.name}"

    @property
    def output(self) -> Path:
        """The folder of all results."""
        return self.folder.parent.parent


class Tracker(ABC):
    """One run in one tracker.

    All calls come from one thread, which is the tracker's own: it may be slow, hang or raise, and the run goes on
    without it.
    """

    needs: ClassVar[str] = ""
    """The module without which it does not work; "": none."""

    @abstractmethod
    def begin(self, run: Tracked) -> str:
        """Begin a run, or go on with the one that `run.known` names. Returns what it will be known by."""

    @abstractmethod
    def progress(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name, all finite. `step`: the jobs that are done."""

    @abstractmethod
    def end(self, step: int, summary: Mapping[str, float], file: Path) -> None:
        """The summary: STRATEGY/METRIC/RULE (without RULE where none applies) and its mean; all of it is in `file`."""

    @abstractmethod
    def close(self, ok: bool) -> None:
        """Let go of the run. `ok`: it has its summary; otherwise it was interrupted, and may go on later."""


TRACKERS = Registry("headstart.trackers", "records.trackers", "tracker", Tracker)  # type: ignore[type-abstract]


def check_trackers(names: Sequence[str]) -> None:
    """Raises UserError for a tracker that is unknown, named twice, or without the package that it needs."""
    for name in names:
        kind = TRACKERS.load(name)
        if names.count(name) > 1:
            raise UserError(f"records.trackers: {name!r:.80} is named twice.")
        if kind.needs and find_spec(kind.needs) is None:
            raise UserError(
                f"records.trackers: {name!r:.80} needs the package {kind.needs!r}, which is not installed "
                "(`pip install -e '.[trackers]'` has those of all trackers)."
            )
