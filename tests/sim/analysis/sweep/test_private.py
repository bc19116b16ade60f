"""Accuracy, savings and leak by epsilon: from the runs of a sweep, no privacy first."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sim.analysis.sweep.figures import draw_all, figures, shown_keys
from sim.analysis.sweep.private import EPSILON, by_epsilon, leak_by_epsilon
from sim.analysis.sweep.report import report
from sim.analysis.sweep.table import Sweep, load_sweep, runs_table
from sim.records.folder import make_folder
from sim.records.shelf import RUNS
from sim.run import close
from tests.runs import serve, small_config

WAVES = """waves.count=2 waves.contribute=1 pool.size=0 ladder.users=0 population.users=4 privacy.steps=2
 population.phones=oneplus-12 strategies=scratch,random,federated privacy.attack=true""".split()


@pytest.fixture(scope="module")
def swept(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    pytest.importorskip("dp_accounting")
    parent, runs = tmp_path_factory.mktemp("swept"), []
    for epsilon in (0.5, 0.0, 8.0):
        folder = make_folder(small_config(tiny_llm, parent, *WAVES, f"privacy.epsilon={epsilon}"), f"{epsilon}")
        serve(small_config(tiny_llm, parent, *WAVES, f"privacy.epsilon={epsilon}"), folder)
        close(folder, plots=False)
        runs.append((folder, {EPSILON: epsilon}))
    runs_table(runs).to_csv(folder.parent / RUNS, index=False)
    return load_sweep(folder.parent)


def test_leak_of_every_run_is_beside_its_epsilon(swept: Sweep) -> None:
    table = leak_by_epsilon(swept)
    assert table.groupby("epsilon").size().to_dict() == {0.5: 6, 0.0: 6, 8.0: 6}  # two strategies, three guesses
    assert table["wave"].isna().all()


def test_picture_goes_from_no_privacy_to_most_of_it(swept: Sweep, tmp_path: Path) -> None:
    figure = by_epsilon(swept)
    assert figure is not None
    for axes in figure.axes:
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["none", "8", "0.5"]
    leak = figure.axes[-1]
    table = leak_by_epsilon(swept).query("guess != 'blind' and strategy == 'federated'").groupby("epsilon")["auc"].max()
    (line,) = [bars.lines[0] for bars in leak.containers if bars.get_label() == "federated"]
    assert line.get_ydata().tolist() == table[[0.0, 8.0, 0.5]].tolist()
    assert shown_keys(swept) == []  # it has a picture of its own
    assert tmp_path / "leak_and_savings_by_epsilon.png" in draw_all(swept, tmp_path)
    assert "Leak and savings by epsilon" in report(swept.folder).read_text(encoding="utf-8")


def test_where_nobody_asked_there_is_no_leak_to_draw(swept: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.analysis.sweep.private.leak_by_epsilon", lambda _: pd.DataFrame())
    figure = by_epsilon(swept)
    assert figure is not None
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]


def test_a_sweep_of_something_else_has_no_such_picture(swept: Sweep) -> None:
    other = Sweep(swept.folder, ("seed",), swept.rows.rename(columns={EPSILON: "seed"}))
    assert by_epsilon(other) is None
    assert "Leak and savings by epsilon" in [drawn.title for drawn in figures(other)]
