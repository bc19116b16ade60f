"""What is said before a run is what the run then does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import headstart
from sim.cloud.cohorts import job_count
from sim.experiment.config import Config
from sim.experiment.reading import parse_override
from sim.plan import work
from sim.plan.pace import remembered
from sim.plan.work import plan
from sim.records.folder import CONFIG
from sim.records.journal import progress
from sim.records.tables import DOES_NOT_FIT
from sim.run import begin, close
from tests.runs import Command, Silent, tiny_overrides

REFERENCE = Path(__file__).resolve().parents[3] / "results" / "reference"


@pytest.fixture
def config(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A run of about a second, of which nothing is known, in a cache of its own."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    return Config.load(None, tiny_overrides(tiny_llm, tmp_path / "out"))


def test_before_and_after_a_run(config: Config, tmp_path: Path) -> None:
    before = plan(config)
    assert before.jobs == job_count(config)
    assert before.missing.pllms == 4  # the pool has two, of a group that is built whole
    assert before.missing.offers == ("scratch", "random", "oracle")
    assert before.minutes is None
    assert "--calibrate" in str(before)
    assert before.table["rows"].tolist() == [8, 8, 8]  # four users, all of them on the ladder's one lower rung
    assert not (tmp_path / "out").exists()

    begun = begin(config)
    begun.do(Silent())
    run, _ = close(begun.folder, plots=False)
    after = plan(config)
    assert progress(begun.folder)[1] == after.jobs
    assert after.missing.nothing
    assert after.pace is not None
    assert after.minutes is not None
    assert str(begun.folder) in after.pace.based_on
    for row in after.table.itertuples():
        mean = run.users.loc[run.users["strategy"] == row.strategy, "steps"].mean()
        assert row.steps == pytest.approx(8 * mean)
    wall = json.loads((begun.folder / "manifest.json").read_text())["wall_s"]
    assert after.minutes * 60 == pytest.approx(wall, rel=0.5)
    assert after.disk_mb is not None
    assert 0 < after.disk_mb < 1
    twice = plan(config.model_copy(update={"population": config.population.model_copy(update={"users": 8})}))
    assert twice.minutes is not None
    assert twice.minutes > after.minutes


def test_a_run_that_is_not_alike_or_not_from_here_tells_nothing(config: Config, tmp_path: Path) -> None:
    begun = begin(config)
    begun.do(Silent())
    out = [tmp_path / "out"]
    assert remembered(config, out) is not None
    for key, value in {"training.steps": 6, "population.texts": 7, "engine.cohort": 1, "pool.size": 3}.items():
        assert remembered(Config.changed(config, [(key, value)]), out) is None
    other = remembered(Config.changed(config, [("training.lr", 0.004)]), out)
    assert other is not None
    assert other.based_on.endswith("which differ in training.lr")
    manifest = begun.folder / "manifest.json"
    found = json.loads(manifest.read_text())
    for change in ({"headstart": "0.0.1"}, {"machine": {"cores": 999}}, {"workers": []}, {"wall_s": "long"}):
        manifest.write_text(json.dumps(found | change))
        assert remembered(config, out) is None
    manifest.write_text("{")
    assert remembered(config, out) is None


@pytest.mark.parametrize("regime", ["peers", "rich"])
def test_committed_runs_tell_each_other_s_time(regime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The five replicates of the headline in a regime, each by the other four: what docs/runs.md says."""
    every = sorted(path.parent for path in (REFERENCE / "headline").glob("*/users.csv"))
    runs = [run for run in every if Config.of_run(run / CONFIG).pool.texts == regime]
    monkeypatch.setattr("sim.plan.pace._is_here", lambda manifest: True)
    ratios = []
    for run in runs:
        others = [other for other in runs if other != run]
        monkeypatch.setattr("sim.plan.pace._runs", lambda outputs, others=others: iter(others))
        config, manifest = Config.of_run(run / CONFIG), json.loads((run / "manifest.json").read_text())
        pace = remembered(config, [])
        assert pace is not None
        workers = sum(worker["processes"] for worker in manifest["workers"])
        table = work._table(config, list(config.strategies), pace)
        ratios.append((pace.building_s + 60 * table["minutes"].sum() / workers) / manifest["wall_s"])
    page = (REFERENCE.parents[1] / "docs" / "runs.md").read_text(encoding="utf-8")
    assert f"{min(ratios):.2f} to {max(ratios):.2f}" in page


def test_one_cohort_tells_the_pace_and_leaves_nothing_but_what_it_built(config: Config, tmp_path: Path) -> None:
    found = plan(config, calibrate=True)
    assert found.pace is not None
    assert found.pace.based_on.startswith("one cohort (2 users)")
    assert found.minutes is not None
    assert found.missing.nothing
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["quickstart", "quickstart_rich"])
def test_phones_that_do_not_fit_are_those_of_the_records(name: str) -> None:
    config = Config.of_run(REFERENCE / name / CONFIG)
    users = (REFERENCE / name / "users.csv").read_text().splitlines()
    refused = sum(DOES_NOT_FIT in row for row in users if ",scratch," in row)
    assert work._unfit(config, config.population.users) == refused


def test_small_llms_of_another_corpus_are_said_to_be_built(config: Config, tmp_path: Path) -> None:
    rows = [{"prompt": f"p {i}", "answer": f"a {i} {s}", "style": s} for s in ("0", "1", "2") for i in range(160)]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = {"corpus.source": "jsonl", "corpus.path": str(path), "llm.model": "pocket", "llm.summarizer": "pocket"}
    found = plan(Config.changed(config, own.items()))
    assert found.missing.llms
    assert "small LLMs of this corpus" in str(found)
    assert not (tmp_path / "cache" / "pocket").exists()


def test_what_a_run_remarks_on_is_said(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.plan.work.Rehearsal.of", lambda self, preparation, watcher: watcher.remark("odd [x]."))
    found = plan(config)
    assert found.remarks == ("odd [x].",)
    assert str(found).endswith("odd [x].")


def test_the_command(command: Command, tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    tiny = tiny_overrides(tiny_llm, tmp_path / "out")
    code, out, err = command("plan", *tiny)
    assert (code, err) == (0, "")
    assert "4 users, 3 strategies with scratch" in out
    assert "To be built first: 4 pLLMs" in out
    assert command("run", "--dry-run", *tiny)[1].splitlines()[:9] == out.splitlines()[:9]  # memory is not as free
    assert str(headstart.plan(**dict(map(parse_override, tiny)))).splitlines()[-1] == out.splitlines()[-1]
    code, _, err = command("plan", *tiny, "population.usres=3")
    assert code == 2
    assert "Did you mean 'users'?" in err
    code, out, _ = command("plan", "--help")
    assert code == 0
    assert "headstart plan" in out
