"""What contributed adapters tell of their texts is measured; and who is private uploads what tells less, and pays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.analysis.measures import costs_per_user
from sim.analysis.rules import RESTART
from sim.analysis.run.leak import leak
from sim.analysis.run.report import report
from sim.analysis.tables import load_run
from sim.cloud.check import prepare
from sim.cloud.pools.leaks import Leaks
from sim.cloud.provider import Provider
from sim.common.cache import cache_dir, known_digest
from sim.engine import start
from sim.experiment.config import Config
from sim.llm.adapters import kind_of
from sim.llm.lanes import Lanes
from sim.llm.model import LanguageModel
from sim.llm.training.finetune import evaluate
from sim.llm.training.progress import set_aside
from sim.population.users import draw_user, possible_styles
from sim.privacy.accountant import noise_of
from sim.records.folder import make_folder
from sim.records.journal import NAME, Journal
from sim.run import close
from tests.runs import Silent, same_tables, serve, small_config

WAVES = """waves.count=3 waves.contribute=0.7 pool.size=0 ladder.users=0 population.users=12 seed=9003
 population.phones=oneplus-12 strategies=scratch,random,federated privacy.attack=true training.steps=8
 training.lr=0.02""".split()
PRIVATE = ["privacy.epsilon=4", "privacy.steps=3", "privacy.sampling=0.5"]
PAID = [f"private_{unit}" for unit in ("flops", "s", "j")]


def config_of(llm: Path, output: Path, *overrides: str) -> Config:
    """Twelve users in three waves, cohorts of two, an empty pool at first."""
    return small_config(llm, output, *WAVES, *overrides)


def done(llm: Path, parent: Path, *overrides: str) -> Path:
    folder = make_folder(config_of(llm, parent, *overrides), "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(parent.parent / "cache"))
        serve(Config.of_run(folder / "config.toml"), folder)
    close(folder, plots=False)
    return folder


@pytest.fixture(scope="module")
def plain(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return done(tiny_llm, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def private(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("dp_accounting")
    return done(tiny_llm, tmp_path_factory.mktemp("private"), *PRIVATE)


def read(folder: Path, table: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{table}.csv")


def test_every_contributor_is_asked_about_as_many_texts_of_either_kind(plain: Path) -> None:
    asked, users = read(plain, "membership"), read(plain, "users")
    givers = users.query("bytes_up > 0")[["strategy", "wave", "user_id"]]
    found = asked[["strategy", "wave", "user_id"]].drop_duplicates()
    assert sorted(map(tuple, found.to_numpy())) == sorted(map(tuple, givers.to_numpy()))
    counts = asked.groupby(["strategy", "user_id", "member"])["text"].apply(list)
    assert counts.map(lambda numbers: numbers == [0, 1, 2]).all()  # of six texts three are set aside
    assert set(asked["wave"]) == {0, 1, 2}  # the last one as well
    alone = asked.groupby(["strategy", "wave"])["user_id"].transform("nunique") == 1
    assert (asked["reference"].isna() == alone).all()


def test_what_adapters_are_asked_can_be_asked_again(plain: Path, tiny_llm: Path) -> None:
    """By the adapters of the pool that the second wave found, which has all that the first gave."""
    config = Config.of_run(plain / "config.toml")
    corpus, lm = prepare(config).corpus, LanguageModel(tiny_llm)
    layout, styles = kind_of(config.training).on(lm.model), possible_styles(config, corpus)
    asked = read(plain, "membership").query("strategy == 'random' and wave == 0 and member")
    versions = read(plain, "versions").query("strategy == 'random' and wave == 1")["version"]
    (pool,) = [p for p in cache_dir().glob("living/*/pool") if known_digest(p)[:16] == versions.item()]
    givers = asked["user_id"].unique()
    assert len(givers) > 1
    layers = Lanes(lm.model, layout)
    adapters = {user: layout.load(pool / f"user-{user}") for user in givers}
    for user in givers:
        mine = asked[asked["user_id"] == user]
        texts = set_aside(draw_user(config, corpus, styles, int(user)).texts)[0]
        rows = [[text] for text in lm.encode(list(texts), config.training.max_tokens)]
        losses = {u: evaluate(lm, layers, a.expand(len(rows), -1).clone(), rows) for u, a in adapters.items()}
        np.testing.assert_allclose(mine["loss"], losses[user], atol=1e-5)
        np.testing.assert_allclose(
            mine["reference"], np.mean([losses[u] for u in givers if u != user], axis=0), atol=1e-5
        )


def test_texts_that_nobody_trained_on_are_of_the_users_style_and_not_the_users(plain: Path) -> None:
    provider = Provider(prepare(Config.of_run(plain / "config.toml")))
    corpus = provider.resident.corpus
    with Journal(Path(shutil.copytree(plain, plain.parent / "copy"))) as journal:
        leaks = Leaks(provider, journal)
        for number in range(4):
            user = draw_user(provider.config, corpus, provider.preparation.user_styles, number)
            members, others = leaks._texts(user)
            assert members == list(user.texts[:3])
            assert len(others) == 3
            assert not {t.prompt for t in others} & {t.prompt for t in (*user.texts, *user.held_out)}
            assert corpus.draw(user.styles[0], "user", 1, np.random.default_rng(0))  # the part that both are of


def test_privacy_changes_what_is_uploaded_and_not_what_the_phone_makes_for_itself(plain: Path, private: Path) -> None:
    one, other = (read(folder, "users").query("wave == 0") for folder in (plain, private))
    same = [c for c in one.columns if c not in (*PAID, "wall_s", "battery_charges", "run")]
    pd.testing.assert_frame_equal(one[same], other[same])
    losses = [read(folder, "membership").query("wave == 0") for folder in (plain, private)]
    assert (losses[0]["loss"] != losses[1]["loss"]).all()
    differ = ["loss", "reference", "run"]
    assert losses[0].drop(columns=differ).equals(losses[1].drop(columns=differ))
    versions = [read(folder, "versions") for folder in (plain, private)]
    assert versions[0]["contributed"].equals(versions[1]["contributed"])
    assert not set(versions[0].query("wave > 0")["version"]) & set(versions[1].query("wave > 0")["version"])


def test_private_fine_tuning_is_on_the_bill_of_who_contributes(plain: Path, private: Path) -> None:
    """Remade by hand: as many steps as ordinary ones that read as many texts, each at the price of an ordinary step."""
    users, work = read(private, "users"), read(private, "work").query("work == 'Privatise' and count == 'steps'")
    steps = work.set_index(["user_id", "strategy"])["number"]
    scale = users.query("steps_to_target > 0").eval("billed_steps / steps_to_target").iloc[0]
    gave = users["bytes_up"] > 0
    assert gave.any()
    assert len(steps) == gave.sum()
    for row in users[gave].itertuples():
        each = row.finetune_flops / row.billed_steps if row.billed_steps else np.nan
        if each == each:
            assert row.private_flops == pytest.approx(each * scale * steps[row.user_id, row.strategy])
        assert min(row.private_s, row.private_j) > 0
    assert (users.loc[~gave, PAID] == 0).all(axis=None)
    assert (read(plain, "users")[PAID] == 0).all(axis=None)
    run, none = load_run(private), load_run(plain)
    first = run.user_ids < 4
    more = (costs_per_user(run, RESTART)["total_flops"] - costs_per_user(none, RESTART)["total_flops"])[first]
    pd.testing.assert_frame_equal(more, run.wide("private_flops")[first], rtol=1e-6, check_names=False)


def test_the_manifest_says_how_much_noise_there_is(private: Path, plain: Path) -> None:
    config = Config.of_run(private / "config.toml")
    said = json.loads((private / "manifest.json").read_text(encoding="utf-8"))
    assert said["noise_multiplier"] == noise_of(config.privacy)
    assert "noise_multiplier" not in json.loads((plain / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("jobs", [1, 5, 6, 17])
def test_a_run_that_was_cut_off_goes_on_with_the_same_noise(private: Path, tmp_path: Path, jobs: int) -> None:
    """A wave has six jobs; also where it was cut off between a wave's last job and what its adapters were asked."""
    folder = Path(shutil.copytree(private, tmp_path / "run"))
    lines = (folder / NAME).read_bytes().splitlines(keepends=True)
    (folder / NAME).write_bytes(b"".join(lines[: 1 + jobs]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(private.parents[2] / "cache"))
        serve(Config.of_run(folder / "config.toml"), folder)
    same_tables(folder, private)


def test_the_leak_is_summed_up(plain: Path) -> None:
    run = load_run(plain)
    table, asked = leak(run), read(plain, "membership")
    pd.testing.assert_frame_equal(
        table, pd.read_csv(plain / "leak.csv").drop(columns=["run", "seed"]), check_dtype=False
    )
    whole = table[table["wave"].isna()]
    assert whole["guess"].tolist() == 2 * ["loss", "ratio", "blind"]
    mine = asked.query("strategy == 'random'")
    pairs = [(m > o) + (m == o) / 2 for m in -mine.query("member")["loss"] for o in -mine.query("not member")["loss"]]
    found = whole.query("strategy == 'random' and guess == 'loss'").iloc[0]
    assert found["auc"] == pytest.approx(np.mean(pairs))
    assert (found["texts"], found["adapters"]) == (len(mine), mine["user_id"].nunique())
    assert found["auc_low"] <= found["auc"] <= found["auc_high"]
    page = report(plain).read_text(encoding="utf-8")
    assert "What contributed adapters tell of their texts" in page


def test_what_a_phone_downloads_tells_its_style(plain: Path) -> None:
    users, waves = read(plain, "users"), read(plain, "waves").set_index(["strategy", "wave"])["style_told"]
    style = users.set_index("user_id")["style"].to_dict()
    for wave in (1, 2):
        mine = users.query(f"strategy == 'random' and wave == {wave}")
        same = [
            style[int(chosen.removeprefix("user-"))] == own
            for chosen, own in zip(mine["chosen"], mine["style"], strict=True)
        ]
        assert waves["random", wave] == pytest.approx(np.mean(same))
        assert np.isnan(waves["federated", wave])  # an average is of no style
    assert np.isnan(waves["random", 0])


@pytest.mark.cluster
def test_flower_gives_the_records_of_inline(private: Path, tiny_llm: Path, tmp_path: Path) -> None:
    config = config_of(tiny_llm, tmp_path, *PRIVATE, "engine.backend=flower", "engine.workers=2")
    folder = make_folder(config, "flower")
    start(prepare(config), folder, Silent())
    same_tables(folder, private)
