"""Weights & Biases: its own variables say where to (WANDB_PROJECT, WANDB_ENTITY), WANDB_MODE=offline that nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sim.records.trackers.base import PROJECT, Tracked, Tracker


class Wandb(Tracker):
    """`wandb sync RUN/wandb/offline-run-*` sends what was kept offline."""

    needs = "wandb"

    def begin(self, run: Tracked) -> str:
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            group=run.name,
            name=run.label,
            id=run.known or None,
            resume="allow",
            dir=str(run.folder),
            config=dict(run.settings),
            # it prints nothing of its own, and takes neither the terminal's output nor the code that lies around
            settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )
        self._run.define_metric("*", step_metric="jobs done")
        return str(self._run.id)

    def progress(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values))

    def end(self, step: int, summary: Mapping[str, float], file: Path) -> None:
        self._run.summary.update(dict(summary))
        self._run.save(str(file), base_path=str(file.parent), policy="now")

    def close(self, ok: bool) -> None:
        self._run.finish(exit_code=0 if ok else 1)
