"""Where waves follow each other by the clock, what phones give later than that joins a later version."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest

from sim.cloud.pools.living import arrives
from sim.common.cache import cache_dir
from sim.experiment.config import Config
from sim.records.folder import make_folder
from sim.records.journal import NAME
from tests.runs import same_tables, serve, small_config

WAVES = ["waves.count=4", "waves.contribute=1", "pool.size=0", "ladder.users=0", "population.users=8"]
SLOW = ["waves.hours=8", "population.availability=daily", "population.phones=oneplus-12", "seed=9004"]


def run(llm: Path, output: Path, name: str, *overrides: str) -> Path:
    config = small_config(llm, output, "strategies=scratch,random", *WAVES, *overrides)
    folder = make_folder(config, name)
    serve(config, folder)
    return folder


@pytest.fixture(scope="module")
def late(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return run(tiny_llm, tmp_path_factory.mktemp("late"), "run", *SLOW)


def test_what_arrives_in_time_joins_the_next_version_and_else_a_later_one() -> None:
    assert [arrives(2, hours, 24) for hours in (0, 1, 24, 24.1, 48, 49, math.inf, math.nan)] == [
        *(3, 3, 3, 4, 4, 5),
        *(None, None),
    ]


def test_each_version_has_what_had_arrived(late: Path) -> None:
    users, versions = pd.read_csv(late / "users.csv"), pd.read_csv(late / "versions.csv")
    due: dict[int, list[int]] = defaultdict(list)
    for row in users[users["strategy"] == "random"].itertuples():
        taken = row.hours_until_done + row.upload_s / 3600
        due[row.wave + max(1, math.ceil(taken / 8))].append(max(1, math.ceil(taken / 8)) - 1)
    assert versions["contributed"].tolist() == [len(due[wave]) for wave in range(4)]
    for row in versions.itertuples():
        assert (
            row.late == pytest.approx(sum(due[row.wave]) / len(due[row.wave]))
            if due[row.wave]
            else row.late != row.late
        )
    assert 0 < sum(map(len, due.values())) == 8
    assert any(lag > 0 for lags in due.values() for lag in lags)
    assert versions["contributed"].sum() < 6  # some of the first three waves are still on their way
    for row in users[(users["strategy"] == "random") & users["chosen"].notna()].itertuples():
        giver = users[(users["user_id"] == int(row.chosen.removeprefix("user-"))) & (users["strategy"] == "random")]
        arrived = 8 * giver["wave"].item() + giver["hours_until_done"].item() + giver["upload_s"].item() / 3600
        assert arrived <= 8 * row.wave


def test_waves_far_apart_are_those_that_wait(tiny_llm: Path, tmp_path: Path) -> None:
    apart, waiting = (run(tiny_llm, tmp_path, f"run{hours}", f"waves.hours={hours}") for hours in ("1e6", "0"))
    same_tables(apart, waiting, "two runs")


@pytest.mark.parametrize("jobs", [3, 6])
def test_a_run_that_was_cut_off_goes_on(late: Path, tmp_path: Path, jobs: int) -> None:
    folder = Path(shutil.copytree(late, tmp_path / "run"))
    lines = (folder / NAME).read_bytes().splitlines(keepends=True)
    (folder / NAME).write_bytes(b"".join(lines[: 1 + jobs]))
    shutil.rmtree(cache_dir() / "living")
    serve(Config.of_run(folder / "config.toml"), folder)
    same_tables(folder, late)
