"""Users who mix styles: steps of one pLLM and of a merge, user by user, beside the published ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.analysis.summary import summarise
from sim.analysis.sweep.mixed import beside_mixed, mixed_styles
from sim.analysis.sweep.report import report
from sim.analysis.sweep.table import load_sweep, runs_table
from sim.analysis.tables import load_run
from sim.experiment.config import Config
from tests.sim.analysis.conftest import user_row, write_run

STEPS = {1: {"scratch": 40, "xpert": 5, "xpert_merge": 5}, 2: {"scratch": 40, "xpert": 30, "xpert_merge": 20}}


def made(folder: Path, strategies: tuple[str, ...] = ("scratch", "xpert", "xpert_merge")) -> Path:
    runs = []
    for styles, steps in STEPS.items():
        config = Config.of({"strategies": list(strategies), "population": {"styles_per_user": styles}})
        users = [user_row(user, s, steps_to_target=steps[s] + user) for user in range(3) for s in strategies]
        run = write_run(folder / str(styles), config, users=users)
        summarise(load_run(run)).to_csv(run / "summary.csv", index=False)
        runs.append((run, {"population.styles_per_user": str(styles)}))
    runs_table(runs).to_csv(folder / "runs.csv", index=False)
    return folder


def test_steps_are_compared_user_by_user(tmp_path: Path) -> None:
    table = beside_mixed(load_sweep(made(tmp_path))).set_index(["styles", "strategy"])
    two = table.loc[(2, "xpert")]
    assert (two["steps"], two["more"], two["more_low"], two["more_high"]) == (31.0, 10.0, 10.0, 10.0)
    assert two["share"] == pytest.approx(100 * 31 / 41)
    assert (two["published"], table.loc[(2, "xpert_merge"), "published"]) == (60.0, 45.0)
    assert table.loc[(1, "xpert"), "more"] == 0.0
    html = report(tmp_path).read_text()
    assert ">Users who mix styles</h2>" in html


def test_chart_has_measured_bars_beside_published_ones(tmp_path: Path) -> None:
    figure = mixed_styles(beside_mixed(load_sweep(made(tmp_path))))
    assert figure is not None
    ours, published = ([patch.get_height() for patch in axes.patches] for axes in figure.axes)
    assert ours == pytest.approx([100 * n / 41 for n in (6, 31, 6, 21)])  # xpert with 1 and 2 styles, then the merge
    assert published == [25.0, 60.0, 25.0, 45.0]


def test_without_a_merge_there_is_nothing_to_compare(tmp_path: Path) -> None:
    made(tmp_path, ("scratch", "xpert"))
    assert beside_mixed(load_sweep(tmp_path)).empty
    assert mixed_styles(beside_mixed(load_sweep(tmp_path))) is None
    assert "Users who mix styles" not in report(tmp_path).read_text()
