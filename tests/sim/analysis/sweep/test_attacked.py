"""What attackers cost honest users: each compared with itself where nobody attacks, attackers left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.analysis.summary import write_summary
from sim.analysis.sweep.attacked import by_share, lost
from sim.analysis.sweep.report import report
from sim.analysis.sweep.table import load_sweep, runs_table
from sim.analysis.tables import load_run
from sim.experiment.config import Config
from tests.sim.analysis.conftest import user_row, write_run

ATTACKERS = {0.0: set(), 0.1: {5}, 0.3: {4, 5}}
STEPS = {0.0: 200, 0.1: 400, 0.3: 600}
"""Of the honest users who start from others, of 1000 from scratch."""


def made(folder: Path, shares: tuple[float, ...] = (0.0, 0.1, 0.3), seeds: tuple[int, ...] = (9000,)) -> Path:
    """A sweep over attackers and policies; `reject` keeps everybody as they are in peace."""
    runs = []
    for policy in ("[]", '["reject"]'):
        for share in shares:
            for seed in seeds:
                waves = {"count": 2, "policies": ["reject"] if policy != "[]" else []}
                config = Config.of({"seed": seed, "waves": waves, "attackers": {"share": share}})
                users = []
                for user in range(6):
                    hostile = user in ATTACKERS[share]
                    cost = STEPS[share if policy == "[]" else 0.0] + 10 * user if not hostile else 9000
                    more = {"attacker": hostile, "wave": user // 3, "poisoned_start": None if hostile else share}
                    users.append(user_row(user, "scratch", wave=user // 3, attacker=hostile))
                    users.append(user_row(user, "random", finetune_flops=float(cost), **more))
                run = write_run(folder / f"{policy != '[]'}-{share}-{seed}", config, users=users)
                write_summary(load_run(run))
                at = {"waves.policies": policy, "attackers.share": f"{share}"}
                runs.append((run, at | ({"seed": str(seed)} if len(seeds) > 1 else {})))
    runs_table(runs).to_csv(folder / "runs.csv", index=False)
    return folder


def test_each_honest_user_is_compared_with_itself(tmp_path: Path) -> None:
    table = lost(load_sweep(made(tmp_path))).set_index(["waves.policies", "attackers.share", "strategy"])
    assert len(table) == 4
    few, many = table.loc[("[]", 0.1, "random")], table.loc[("[]", 0.3, "random")]
    assert (few["users"], many["users"]) == (5, 4)
    for row, less in ((few, 0.2), (many, 0.4)):  # of compute, by every user alike
        assert [row[f"compute_saved_total{end}"] for end in ("", "_low", "_high")] == pytest.approx([less] * 3)
    assert many["poisoned_start"] == pytest.approx(0.3)
    assert table.loc[('["reject"]', 0.3, "random"), "compute_saved_total"] == pytest.approx(0)
    html = report(tmp_path).read_text()
    assert ">What attackers cost honest users</h2>" in html


def test_replicates_are_taken_together(tmp_path: Path) -> None:
    table = lost(load_sweep(made(tmp_path, seeds=(9000, 9001, 9002)))).set_index(["waves.policies", "attackers.share"])
    assert table.loc[("[]", 0.3), "users"] == 12
    assert table.loc[("[]", 0.3), "compute_saved_total"] == pytest.approx(0.4)


def test_the_chart_has_a_panel_a_policy_and_begins_at_nothing(tmp_path: Path) -> None:
    figure = by_share(lost(load_sweep(made(tmp_path))))
    assert figure is not None
    x, y = zip(*(axes.lines[0].get_data() for axes in figure.axes), strict=True)
    assert [each.tolist() for each in x] == [[0, 10, 30]] * 2
    assert y[0] == pytest.approx([0, 20, 40])
    assert y[1] == pytest.approx([0, 0, 0])


def test_without_a_run_in_peace_there_is_nothing_to_compare(tmp_path: Path) -> None:
    sweep = load_sweep(made(tmp_path, (0.1, 0.3)))
    assert lost(sweep).empty
    assert by_share(lost(sweep)) is None
    assert "What attackers cost" not in report(tmp_path).read_text()
