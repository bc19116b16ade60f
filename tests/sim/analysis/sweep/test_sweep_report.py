"""What a sweep's runs.csv shows: figures, the report, published values beside billed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.analysis.rules import RESTART
from sim.analysis.sweep.plots import front
from sim.analysis.sweep.published import beside_published
from sim.analysis.sweep.report import report
from sim.analysis.sweep.table import SHOWN, load_sweep, runs_table
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.records.tables import SUMMARY


def fake_sweep(folder: Path, **cells: Any) -> Path:
    """runs.csv of two pools and two strategies, with configs that ask what XPerT's authors asked."""
    runs = []
    for size in (28, 84):
        tree = {"pool": {"size": size, "ship": "model"}, "population": {"phones": "oneplus-12r"}}
        run = folder / str(size)
        run.mkdir(parents=True)
        (run / "config.toml").write_text(Config.of(tree).to_toml())
        rows = [
            (strategy, metric, RESTART, "", 60.0, 30.0, 90.0, 60.0, 5, 1.0)
            for strategy in ("scratch", "exhaustive")
            for metric in SHOWN
        ]
        columns = [c.name for c in SUMMARY]
        pd.DataFrame(rows, columns=columns).to_csv(run / "summary.csv", index=False)
        runs.append((run, {"pool.size": str(size)}))
    runs_table(runs).assign(**cells).to_csv(folder / "runs.csv", index=False)
    return folder


def test_published_values_stand_beside_billed_ones(tmp_path: Path) -> None:
    table = beside_published(load_sweep(fake_sweep(tmp_path)))
    assert set(table["strategy"]) == {"exhaustive"}
    assert set(table["network"]) == {"market"}
    found = table.set_index(["pool", "quantity"])
    assert found.loc[(28, "communication"), ["published", "basis", "billed", "low"]].tolist() == [
        75.6,
        "stated",
        1.0,
        0.5,
    ]
    assert found.loc[(84, "energy"), ["published", "basis", "billed"]].tolist() == [39, "chart", 0.06]
    html = report(tmp_path).read_text()
    assert "Beside the published costs" in html
    assert "10.1145/3711875.3729132" in html


def test_report_where_nothing_was_chosen_or_saved(tmp_path: Path) -> None:
    blank = dict.fromkeys(["selection_accuracy", "time_saved_total"], np.nan)
    html = report(fake_sweep(tmp_path, **blank)).read_text()
    assert "2 runs over pool.size" in html
    assert "Cost against accuracy" not in html


def test_front_is_what_no_other_beats() -> None:
    points = pd.DataFrame({"minutes": [1, 2, 3, 3, 4], "accuracy": [50, 40, 70, 60, 70]})
    assert front(points).index.tolist() == [0, 2]


@pytest.mark.parametrize("name", ["users", ""])
def test_what_is_no_key_among_the_swept_keys_is_named(tmp_path: Path, name: str) -> None:
    fake_sweep(tmp_path)
    rows = pd.read_csv(tmp_path / "runs.csv")
    rows.insert(1, name, rows.pop("users") if name else 1)
    rows.to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(UserError, match=rf"runs\.csv: column '{name}' stands among the swept keys"):
        load_sweep(tmp_path)


def test_a_broken_runs_csv_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("folder,seed\n1,2\n")
    with pytest.raises(UserError, match="column 'strategy' is missing"):
        load_sweep(tmp_path)
