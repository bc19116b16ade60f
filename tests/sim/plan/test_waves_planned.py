"""Of users who come in waves it is said what each wave brings; the run then does that."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from sim.experiment.config import Config
from sim.experiment.shipped import ROOT
from sim.plan.waves import said, waves
from sim.plan.work import plan
from sim.run import begin, close
from tests.runs import Silent, tiny_overrides


@pytest.fixture
def config(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Nine users in three waves, each of whom gives, and a pool that begins empty; nothing of it is known."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    more = ["population.users=9", "waves.count=3", "waves.contribute=1", "pool.size=0", "ladder.users=0"]
    phones = ["population.phones=oneplus-12", "engine.cohort=2"]
    return Config.load(None, [*tiny_overrides(tiny_llm, tmp_path / "out"), *more, *phones])


def test_before_and_after_a_run(config: Config) -> None:
    before = plan(config)
    assert before.waves.values.tolist() == [[0, 3, 6, 3, 0], [1, 3, 6, 3, 3], [2, 3, 6, 3, 6]]
    assert before.waves["jobs"].sum() == before.jobs
    assert before.missing.nothing
    text = str(before)
    assert "Users come in 3 waves of 3; 9 of them give what they make" in text
    assert "to the pools of random, oracle: each has one of its own." in text
    assert "2 pools (of up to 6 pLLMs) and their offers anew, while workers wait; how long" in text
    assert "The pool begins empty." in text

    begun = begin(config)
    begun.do(Silent())
    close(begun.folder, plots=False)
    versions = pd.read_csv(begun.folder / "versions.csv")
    assert (versions["pllms"] == versions["wave"].map(before.waves.set_index("wave")["pllms_at_most"])).all()
    manifest = json.loads((begun.folder / "manifest.json").read_text())
    assert len(manifest["between_waves_s"]) == 2
    after = plan(config)
    assert after.pace is not None
    assert after.pace.between_s == pytest.approx(sum(manifest["between_waves_s"]) / 2)
    assert after.minutes is not None
    assert after.minutes * 60 == pytest.approx(manifest["wall_s"], rel=0.5)
    assert "of the time" in str(after)
    assert plan(Config.changed(config, [("waves.contribute", 0.5)])).pace is None, "its pools are others"


def test_a_cohort_of_each_of_two_waves_tells_the_pace(config: Config) -> None:
    found = plan(config, calibrate=True)
    assert found.pace is not None
    assert found.pace.based_on.startswith("one cohort of each of two waves (4 users)")
    assert found.pace.between_s
    assert found.minutes is not None


def test_pools_are_no_larger_than_policies_leave_them() -> None:
    config = Config.load(ROOT / "configs" / "living_pool.toml", ["seed=9001"])
    table = waves(config, 0)
    assert table["pllms_at_most"].tolist()[2:] == [28] * 10
    assert 0.2 * 1200 < table["give_at_most"].sum() < 0.4 * 1200
    kept = waves(Config.changed(config, [("waves.policies", ["reject"])]), 5)
    assert kept["pllms_at_most"].tolist() == (5 + table["give_at_most"].cumsum().shift(fill_value=0)).tolist()
    many = waves(Config.changed(config, [("population.users", 240_000)]), 0)
    assert many["give_at_most"].tolist() == [6000] * 12


def test_where_all_come_at_once_nothing_is_said_of_waves() -> None:
    table = waves(Config(), 28)
    assert table.empty
    assert list(said(Config(), table, None)) == []
