"""Trackers: what they are told is what summary.csv says, a resumed run goes on in them, and none ends a run."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest

from sim.analysis.run.running import SAVED
from sim.experiment.config import Config
from sim.records.trackers import Tracked, Tracker
from sim.tracking import JOBS, KNOWN, USERS, Tracking
from tests.runs import Command, Silent, tiny_overrides

HERE = f"{__name__}:"


class Remembering(Tracker):
    """Remembers what it was told."""

    told: ClassVar[list[tuple[Any, ...]]] = []

    def begin(self, run: Tracked) -> str:
        self.told.append(("begin", run.known, run.settings["population.users"]))
        return run.known or f"run {len(self.told)}"

    def progress(self, step: int, values: Mapping[str, float]) -> None:
        self.told.append(("progress", step, dict(values)))

    def end(self, step: int, summary: Mapping[str, float], file: Path) -> None:
        self.told.append(("end", step, dict(summary), file.read_text()))

    def close(self, ok: bool) -> None:
        self.told.append(("close", ok))


class Broken(Remembering):
    """Fails at its second telling."""

    told: ClassVar[list[tuple[Any, ...]]] = []

    def progress(self, step: int, values: Mapping[str, float]) -> None:
        super().progress(step, values)
        if len(self.told) > 2:
            raise ConnectionError("the network\nis gone")


class Absent(Tracker):
    """Cannot even begin."""

    def begin(self, run: Tracked) -> str:
        raise SystemExit("no such server")

    def progress(self, step: int, values: Mapping[str, float]) -> None: ...

    def end(self, step: int, summary: Mapping[str, float], file: Path) -> None: ...

    def close(self, ok: bool) -> None: ...


class Hanging(Absent):
    """Answers never."""

    def begin(self, run: Tracked) -> str:
        threading.Event().wait()
        return ""


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tracking, "EVERY_S", 0.0)
    for kind in (Remembering, Broken):
        kind.told.clear()


def tiny(llm: Path, output: Path, *trackers: str) -> list[str]:
    return [*tiny_overrides(llm, output), "ladder.users=0", f"records.trackers={json.dumps(trackers)}"]


def means(folder: Path) -> dict[str, float]:
    """The finite means of a summary.csv, by the names that trackers have for them."""
    table = pd.read_csv(folder / "summary.csv")
    names = table["strategy"] + "/" + table["metric"] + table["rule"].map(lambda r: "" if r == "any" else f"/{r}")
    found = dict(zip(names, table["mean"], strict=True))
    assert len(found) == len(table)
    return {name: mean for name, mean in found.items() if math.isfinite(mean)}


def test_a_tracker_is_told_what_the_run_shows_and_its_summary(tiny_llm: Path, tmp_path: Path, command: Command) -> None:
    code, out, err = command("run", "--no-plots", *tiny(tiny_llm, tmp_path, f"{HERE}Remembering"))
    assert code == 0, err
    folder = Path(out.splitlines()[-1])
    begun, *progress, (_, step, summary, file), closed = Remembering.told
    assert (begun, closed) == (("begin", "", 4), ("close", True))
    assert [(told[0], told[1], told[2][JOBS]) for told in progress] == [("progress", n, n) for n in range(1, 7)]
    assert progress[-1][2][USERS] == 2 * 6
    assert step == 6
    assert summary == pytest.approx(means(folder))
    assert file == (folder / "summary.csv").read_text()
    saved = {key.removeprefix(f"{SAVED}/") for key in progress[-1][2]} - {JOBS, USERS}
    assert saved <= {"random", "oracle"}
    assert json.loads((folder / KNOWN).read_text()) == {f"{HERE}Remembering": "run 1"}


def test_a_resumed_run_goes_on_in_the_same_one(
    tiny_llm: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = Silent.finished

    def interrupted(self: Silent, *arguments: Any) -> None:
        finished(self, *arguments)
        if self.done == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Silent, "finished", interrupted)
    monkeypatch.setattr("sim.display.Log.finished", lambda self, *some: interrupted(self.silent, *some))
    monkeypatch.setattr("sim.display.Log.silent", Silent(), raising=False)
    code, out, _ = command("run", "--no-plots", *tiny(tiny_llm, tmp_path, f"{HERE}Remembering"))
    assert code == 130
    assert Remembering.told[-1] == ("close", False)
    before = len(Remembering.told)
    monkeypatch.undo()
    monkeypatch.setattr(Tracking, "EVERY_S", 0.0)
    code, out, err = command("run", "--no-plots", "--resume", out.splitlines()[-1])
    assert code == 0, err
    begun, first, *_ = Remembering.told[before:]
    assert begun == ("begin", "run 1", 4)
    assert first[1] > 1
    assert first[2][USERS] == 2 * first[1]
    assert Remembering.told[-1] == ("close", True)
    assert Remembering.told[-2][2] == pytest.approx(means(Path(out.splitlines()[-1])))


def test_none_of_them_ends_a_run(
    tiny_llm: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tracking, "PATIENCE_S", 0.5)
    code, out, err = command(
        "run", "--no-plots", *tiny(tiny_llm, tmp_path, *(HERE + name for name in ("Broken", "Absent", "Hanging")))
    )
    assert code == 0, err
    said = [line.split("records.trackers: ")[1] for line in out.splitlines() if "records.trackers" in line]
    without = "; the run goes on without it."
    assert sorted(said) == [
        f"{HERE}Absent: no such server{without}",
        f"{HERE}Broken: the network is gone{without}",
        f"{HERE}Hanging: it does not answer{without}",
    ]
    before_jobs = out.index("cohort jobs")
    assert out.index("no such server") < before_jobs
    assert out.index("does not answer") < before_jobs
    assert len(Broken.told) == 3
    assert (Path(out.splitlines()[-1]) / "summary.csv").is_file()


def test_each_run_of_a_sweep_is_one(tiny_llm: Path, tmp_path: Path, command: Command) -> None:
    code, _, err = command("sweep", *tiny(tiny_llm, tmp_path, f"{HERE}Remembering"), "seed=9000,9001")
    assert code == 0, err
    assert [told[0] for told in Remembering.told if told[0] != "progress"] == ["begin", "end", "close"] * 2


def test_what_is_wrong_with_a_tracker_is_said_before_the_run(tmp_path: Path, command: Command) -> None:
    def said(*trackers: str) -> str:
        code, _, err = command("run", f"output={tmp_path}", f"records.trackers={json.dumps(trackers)}")
        assert code == 2
        return err

    assert "unknown tracker 'tensorbord'. Did you mean 'tensorboard'?" in said("tensorbord")
    assert "named twice" in said(f"{HERE}Absent", f"{HERE}Absent")
    assert "no subclass of sim.records.trackers.base.Tracker" in said(f"{HERE}Path")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.records.trackers.base.find_spec", lambda name: None)
        assert "'mlflow' needs the package 'mlflow', which is not installed (`pip install" in said("mlflow")
    assert not list(tmp_path.iterdir())


def test_trackers_change_no_name_and_no_record() -> None:
    assert Config().digest() == Config.load(None, ["records.trackers=mlflow,wandb"]).digest()
    assert Config().records.trackers == []
