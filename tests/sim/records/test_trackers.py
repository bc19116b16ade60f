"""The trackers that are shipped, each without network: what lies in its own files is what summary.csv says."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import headstart
from sim.experiment.reading import parse_override
from sim.tracking import JOBS, KNOWN, USERS
from tests.runs import tiny_overrides


def run_with(tracker: str, llm: Path, output: Path) -> tuple[Path, dict[str, float]]:
    """The folder of a run that told a tracker, and the finite means of its summary.csv by their names there."""
    overrides = [*tiny_overrides(llm, output), "ladder.users=0", f"records.trackers={tracker}"]
    folder = headstart.run(plots=False, quiet=True, **dict(map(parse_override, overrides))).folder
    table = pd.read_csv(folder / "summary.csv")
    names = table["strategy"] + "/" + table["metric"] + table["rule"].map(lambda rule: f"/{rule}".replace("/any", ""))
    assert names.is_unique
    return folder, {name: mean for name, mean in zip(names, table["mean"], strict=True) if math.isfinite(mean)}


def test_tensorboard(tiny_llm: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, summary = run_with("tensorboard", tiny_llm, tmp_path)
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    last = {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
    assert (last[JOBS], last[USERS]) == (6, 12)
    assert {name: last[name] for name in summary} == pytest.approx(summary, rel=1e-6)
    assert "config/text_summary" in events.Tags()["tensors"]


@pytest.mark.parametrize("store", ["database", "files"])
def test_mlflow(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    if store == "files":
        address = (tmp_path / "mlruns").as_uri()
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    folder, summary = run_with("mlflow", tiny_llm, tmp_path)
    client = mlflow.MlflowClient(tracking_uri=address)
    run = client.get_run(json.loads((folder / KNOWN).read_text())["mlflow"])
    assert (run.info.status, run.info.run_name) == ("FINISHED", folder.name)
    assert {name: run.data.metrics[name] for name in summary} == pytest.approx(summary)
    assert run.data.metrics[USERS] == 12
    assert run.data.params["population.users"] == "4"
    kept = Path(client.download_artifacts(run.info.run_id, "summary.csv"))
    assert kept.read_text() == (folder / "summary.csv").read_text()


def test_wandb_offline(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.setenv("WANDB_MODE", "offline")
    folder, summary = run_with("wandb", tiny_llm, tmp_path)
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    assert file.stem == f"run-{json.loads((folder / KNOWN).read_text())['wandb']}"
    found, logged = {}, {}
    for data in log_records(file.read_bytes()[7:]):
        record = Record()
        record.ParseFromString(data)
        found |= {item.key or "/".join(item.nested_key): item.value_json for item in record.summary.update}
        logged |= {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
    assert json.loads(logged[USERS]) == 12
    assert {name: json.loads(found[name]) for name in summary} == pytest.approx(summary)
    assert list((file.parent / "files").rglob("summary.csv"))


def log_records(data: bytes, block: int = 32768) -> Iterator[bytes]:
    """The records of W&B's offline file behind its head: LevelDB's log, records in parts, no part across a block."""
    at, whole = 7, b""  # the head is of the first block
    data = bytes(at) + data
    while at + 7 <= len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield whole
            whole = b""
