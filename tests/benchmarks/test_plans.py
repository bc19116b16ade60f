"""The table of plans beside what runs took, without a run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sim.cloud.check import prepare
from sim.experiment.config import Config
from sim.experiment.shipped import ROOT
from tests.benchmarks import plans

ROW = {"calibrated_min": 3.0, "first_min": 2.0, "from_a_run_min": 1.0, "second_min": 2.0}


@pytest.mark.parametrize("name", plans.CASES)
def test_every_case_is_a_config_that_runs(name: str) -> None:
    prepare(Config.load(ROOT / "configs" / name.split()[0], [*plans.CASES[name], "seed=9001"]))


def test_what_is_known_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(plans, "measured", lambda path, overrides, folder: asked.append(path.stem) or ROW)
    plans.main(tmp_path)
    assert len(asked) == len(plans.CASES) == 5
    plans.main(tmp_path)
    assert len(asked) == 5
    assert pd.read_csv(tmp_path / "plans.csv")["config"].tolist() == list(plans.CASES)


def test_the_table_takes_its_place_in_the_page() -> None:
    table = pd.DataFrame([{"config": "a.toml", **ROW}])
    lines = plans.markdown(table).splitlines()
    assert lines[2] == "| `a.toml` | 3.0 | 2.0 | 1.50 | 1.0 | 2.0 | 0.50 |"
    assert lines[-1].startswith("Within a factor of 1.5: 1 of 1 that one cohort told, 0 of 1")
    page = plans.PAGE.read_text(encoding="utf-8")
    once = plans.with_table(page, table)
    assert plans.markdown(table) in once
    assert plans.with_table(once, table) == once
    assert once.startswith(page.partition(plans.BEGIN)[0])
    assert once.endswith(page.partition(plans.END)[2])
