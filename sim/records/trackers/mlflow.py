"""MLflow: the server that MLFLOW_TRACKING_URI names, else a database among the results."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from sim.records.trackers.base import Tracked, Tracker

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
"""In the folder of results, where no server is named."""
MOST = 1000
"""Numbers that MLflow takes at once."""
LONGEST = 6000
"""Letters of a setting that MLflow keeps."""
FORBIDDEN = re.compile(r"[^\w\-. :/]")
"""What may not be in the name of a number."""


class MLflow(Tracker):
    """`mlflow ui --backend-store-uri sqlite:///results/mlflow.db`."""

    needs = "mlflow"

    def begin(self, run: Tracked) -> str:
        import mlflow

        named = os.environ.get("MLFLOW_TRACKING_URI", "")
        self._client = mlflow.MlflowClient(tracking_uri=named or f"sqlite:///{run.output.resolve() / DATABASE}")
        if run.known:
            self._run = run.known
            self._client.update_run(self._run, status="RUNNING")
            return self._run
        found = self._client.get_experiment_by_name(run.name)
        artifacts = None if named else (run.output.resolve() / ARTIFACTS).as_uri()
        experiment = found.experiment_id if found else self._client.create_experiment(run.name, artifacts)
        tags = {"mlflow.source.name": "headstart", "folder": str(run.folder)}
        self._run = str(self._client.create_run(experiment, run_name=run.folder.name, tags=tags).info.run_id)
        settings = [mlflow.entities.Param(key, str(value)[:LONGEST]) for key, value in run.settings.items()]
        self._client.log_batch(self._run, params=settings)
        return self._run

    def progress(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(FORBIDDEN.sub("", name), value, now, step) for name, value in values.items()]
        for first in range(0, len(metrics), MOST):
            self._client.log_batch(self._run, metrics=metrics[first : first + MOST])

    def end(self, step: int, summary: Mapping[str, float], file: Path) -> None:
        self.progress(step, summary)
        self._client.log_artifact(self._run, str(file))

    def close(self, ok: bool) -> None:
        self._client.set_terminated(self._run, "FINISHED" if ok else "KILLED")
