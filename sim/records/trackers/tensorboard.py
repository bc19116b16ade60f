"""TensorBoard: event files in the run's own folder. Needs no server and no network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sim.records.trackers.base import Tracked, Tracker

FOLDER = "tensorboard"
"""Of the event files, in the run's folder."""


class TensorBoard(Tracker):
    """`tensorboard --logdir results`."""

    needs = "tensorboard"

    def begin(self, run: Tracked) -> str:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run.folder / FOLDER))
        if not run.known:
            rows = "\n".join(f"| `{key}` | `{value}` |" for key, value in run.settings.items())
            self._writer.add_text("config", f"| key | value |\n|---|---|\n{rows}")
        return FOLDER  # a further event file in the same folder is the same run

    def progress(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def end(self, step: int, summary: Mapping[str, float], file: Path) -> None:
        self.progress(step, summary)

    def close(self, ok: bool) -> None:
        self._writer.close()
