"""Two runs beside each other, of the committed results."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim.analysis.measures import per_user
from sim.analysis.run.compare import COMPARED, compare, settings, unpaired_for
from sim.analysis.summary import by_key, summarise
from sim.analysis.tables import Run, load_run
from tests.runs import Command

REFERENCE = Path(__file__).resolve().parents[4] / "results" / "reference"


def runs_of(sweep: str) -> list[Run]:
    return [load_run(path.parent) for path in sorted((REFERENCE / sweep).glob("*/users.csv"))]


@pytest.fixture(scope="module")
def peers() -> Run:
    return load_run(REFERENCE / "quickstart")


@pytest.fixture(scope="module")
def rich() -> Run:
    return load_run(REFERENCE / "quickstart_rich")


def test_settings_that_differ(peers: Run, rich: Run) -> None:
    found = settings(peers, rich).set_index("key")
    assert found.loc["pool.texts"].tolist() == ["peers", "rich"]
    assert found.loc["population.users"].tolist() == [24, 60]
    assert not {"output", "name", "engine.workers"} & set(found.index)
    assert settings(peers, peers).empty


def test_the_same_users_are_compared_one_by_one(peers: Run, rich: Run) -> None:
    assert unpaired_for(peers, rich) == ""
    table = compare(peers, rich).set_index(["strategy", "metric"])
    for metric in COMPARED:
        one, other = (per_user(run)[metric]["xpert"] for run in (peers, rich))
        pairs = (other - one).dropna()
        row = table.loc["xpert", metric]
        assert row["users"] == len(pairs)
        assert row["difference"] == pytest.approx(pairs.mean())
        assert row["B"] - row["A"] == pytest.approx(row["difference"])
        assert row["low"] <= row["difference"] <= row["high"]
    assert table.loc["oracle", "compute_saved_total"]["low"] > 0.1
    assert ("scratch", "compute_saved_total") not in table.index


def test_a_run_does_not_differ_from_itself(peers: Run) -> None:
    table = compare(peers, peers)
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)


def test_other_users_are_compared_by_their_means(peers: Run) -> None:
    """The interval of a difference of means, where both are as wide, is wider than each by the root of two."""
    a, b = runs_of("headline")[:2]
    assert unpaired_for(a, b) == "seed differs"
    table = compare(a, b).set_index(["strategy", "metric"])
    for metric in COMPARED:
        one, other = (by_key(summarise(run))["xpert_cards", metric] for run in (a, b))
        row = table.loc["xpert_cards", metric]
        assert (row["A"], row["B"]) == (pytest.approx(one["mean"]), pytest.approx(other["mean"]))
        down, up = other["mean"] - other["low"], one["high"] - one["mean"]
        assert row["low"] == pytest.approx(row["difference"] - np.hypot(down, up))
    same = compare(a, replace(a, config=None)).set_index(["strategy", "metric"]).loc["xpert", "compute_saved_total"]
    alone = by_key(summarise(a))["xpert", "compute_saved_total"]
    assert same["difference"] == 0
    assert same["high"] - same["low"] == pytest.approx(
        2 * np.hypot(alone["high"] - alone["mean"], alone["mean"] - alone["low"]), rel=0.05
    )


def test_why_users_are_not_the_same(peers: Run, tmp_path: Path) -> None:
    assert unpaired_for(peers, replace(peers, config=None)) == "one of the runs has no config.toml"
    old = next(run for run in runs_of("similarity_0.1.0"))
    assert unpaired_for(old, peers) == "version differs"
    other = replace(peers, users=peers.users.assign(style="another"))
    assert unpaired_for(peers, other) == "their users draw from other styles, as their pools have"
    assert peers.config is not None
    fewer = peers.config.model_copy(update={"population": peers.config.population.model_copy(update={"texts": 40})})
    assert unpaired_for(peers, replace(peers, config=fewer)) == "population.texts differs"


def test_the_command(command: Command, tmp_path: Path) -> None:
    code, out, err = command("compare", str(REFERENCE / "quickstart"), str(REFERENCE / "quickstart_rich"))
    assert (code, err) == (0, "")
    assert "pool.texts" in out
    assert "the same users, one by one" in out
    assert "of 25 differences lie beyond" in out
    folder = shutil.copytree(REFERENCE / "quickstart", tmp_path / "q")
    users = (folder / "users.csv").read_text()
    (folder / "users.csv").write_text(users.replace(",xpert_cards,", ",mine,"))
    out = command("compare", str(REFERENCE / "quickstart"), str(folder))[1]
    assert "No setting differs" in out
    assert "Only in B: mine." in out
    assert "Only in A: xpert_cards." in out
    code, _, err = command("compare", str(tmp_path), str(folder))
    assert code == 2
    assert err.count("\n") == 1
    code, out, _ = command("compare", "--help")
    assert code == 0
    assert "headstart compare" in out
