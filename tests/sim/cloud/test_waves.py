"""Users come in waves, and each strategy's pool grows from what its own users gave."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.analysis.run.waves import break_even, sentences
from sim.analysis.run.waves import waves as waves_of
from sim.analysis.tables import load_run
from sim.cloud.check import prepare
from sim.cloud.pools.offers import make_offer
from sim.cloud.provider import Provider
from sim.common.cache import cache_dir
from sim.common.errors import UserError
from sim.engine import start
from sim.experiment.config import Config
from sim.experiment.strategies import make_strategy
from sim.pool.offers import load_offer
from sim.population.users import contributes
from sim.records.folder import make_folder
from sim.records.journal import NAME
from strategies.policies import Merge
from tests.runs import Silent, run, same_tables, serve, small_config, tables

WAVES = ["waves.count=3", "waves.contribute=1", "pool.size=0", "ladder.users=0", "population.phones=oneplus-12"]


def waves(llm: Path, output: Path, *overrides: str) -> Config:
    """Six users in three waves, an empty pool at first."""
    return small_config(llm, output, "strategies=scratch,random,oracle", *WAVES, *overrides)


@pytest.fixture(scope="module")
def whole(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = waves(tiny_llm, tmp_path_factory.mktemp("waves"))
    folder = make_folder(config, "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        serve(config, folder)
    return folder


def read(folder: Path, table: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{table}.csv", keep_default_na=False)


def test_users_of_a_wave_start_from_what_those_before_gave(whole: Path) -> None:
    users = read(whole, "users")
    assert users["wave"].tolist() == (users["user_id"] // 2).tolist()
    for row in users.itertuples():
        if row.strategy == "scratch" or row.wave == 0:
            assert row.chosen == ""
        else:
            assert row.chosen in {f"user-{user}" for user in range(2 * row.wave)}


def test_the_first_wave_is_from_scratch_for_every_strategy(whole: Path) -> None:
    first = read(whole, "users").query("wave == 0").groupby("user_id")
    for column in ("start_loss", "steps_to_target", "finetune_s", "bytes_down", "selection_flops"):
        assert first[column].nunique().eq(1).all(), column


def test_every_version_is_named_by_its_content(whole: Path) -> None:
    versions = read(whole, "versions")
    assert versions["pllms"].tolist() == [0, 0, 2, 2, 4, 4]
    assert versions["contributed"].tolist() == versions["joined"].tolist() == [0, 0, 2, 2, 2, 2]
    names = versions.pivot(index="wave", columns="strategy", values="version")
    assert (names["random"] == names["oracle"]).tolist()[:2] == [True, True]  # all of the first wave did the same
    assert names.nunique().eq(3).all()


def test_uploads_are_on_the_phones_bill(whole: Path) -> None:
    users = read(whole, "users")
    gives = users["strategy"] != "scratch"
    for column in ("bytes_up", "upload_s", "upload_j"):
        assert (users.loc[gives, column] > 0).all(), column
        assert (users.loc[~gives, column] == 0).all(), column
    work = read(whole, "work").query("work == 'Upload'")
    assert len(work) == gives.sum()


def test_who_contributes_is_drawn_and_the_same_for_all_strategies(tiny_llm: Path, tmp_path: Path) -> None:
    config = waves(tiny_llm, tmp_path, "waves.contribute=0.5", "seed=9003")
    drawn = {user for user in range(6) if contributes(config, user)}
    assert 0 < len(drawn) < 6
    users = run(config)["users"].query("strategy != 'scratch' and bytes_up > 0")
    assert all(set(some["user_id"]) == drawn for _, some in users.groupby("strategy"))
    assert not any(contributes(waves(tiny_llm, tmp_path, "waves.count=1"), user) for user in range(6))


def test_a_pool_that_was_there_grows(tiny_llm: Path, tmp_path: Path) -> None:
    found = run(waves(tiny_llm, tmp_path, "pool.size=3", "waves.count=2"))
    assert found["versions"]["pllms"].tolist() == [3, 3, 6, 6]
    first = found["users"].query("wave == 0 and strategy == 'oracle'")
    assert (first["chosen"] != "").all()


@pytest.mark.parametrize("jobs", [0, 1, 2, 3, 5, 8])
def test_a_run_that_was_cut_off_in_any_wave_goes_on(whole: Path, tmp_path: Path, jobs: int) -> None:
    """Also where the cache has lost the versions, so long as it has what users gave."""
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    lines = (folder / NAME).read_bytes().splitlines(keepends=True)
    (folder / NAME).write_bytes(b"".join(lines[: 1 + jobs]))
    shutil.rmtree(cache_dir() / "living")
    serve(Config.of_run(folder / "config.toml"), folder)
    same_tables(folder, whole)


def test_a_run_that_lost_what_users_gave_says_so(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    lines = (folder / NAME).read_bytes().splitlines(keepends=True)
    (folder / NAME).write_bytes(b"".join(lines[:-2]))
    aside = cache_dir() / "aside"
    (cache_dir() / "contributed").rename(aside)
    shutil.rmtree(cache_dir() / "living")
    try:
        with pytest.raises(UserError, match="has to begin anew"):
            serve(Config.of_run(folder / "config.toml"), folder)
    finally:
        aside.rename(cache_dir() / "contributed")


def test_without_waves_a_run_is_called_what_it_was(tiny_llm: Path, tmp_path: Path) -> None:
    config = small_config(tiny_llm, tmp_path)
    assert config.digest() == config.model_copy(update={"waves": Config().waves}).digest()
    assert config.digest() != waves(tiny_llm, tmp_path).digest()
    found = run(config)
    assert "versions" not in found
    assert set(found["users"]["wave"]) == {0}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["waves.count=7"], "waves.count = 7: there are only population.users = 6"),
        (["training.cost_only=true"], "nobody has anything to contribute"),
        (["population.styles_per_user=2"], "population.styles_per_user must be 1"),
    ],
)
def test_what_waves_cannot_be(tiny_llm: Path, tmp_path: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        waves(tiny_llm, tmp_path, *overrides)


@pytest.mark.parametrize("where", ["", "engine.store={store}"])
def test_tables_of_two_runs_are_equal(whole: Path, tiny_llm: Path, tmp_path: Path, where: str) -> None:
    """Also where contributions and versions travel through a store."""
    config = waves(tiny_llm, tmp_path, *filter(None, [where.format(store=tmp_path / "store")]))
    folder = make_folder(config, "again")
    serve(config, folder)
    assert tables(folder) == tables(whole)


def test_an_offer_about_a_version_is_an_update(tiny_llm: Path, tmp_path: Path) -> None:
    """Of the third wave's offer what was asked about pLLMs of the second one's costs nothing again."""
    config = waves(tiny_llm, tmp_path, "strategies=scratch,popular,xpert,retrieval")
    found = run(config)
    assert (found["users"].query("wave > 0 and strategy != 'scratch'")["chosen"] != "").all()
    requests = found["cloud"].query("work == 'Generate'").pivot(index="wave", columns="strategy", values="requests")
    assert requests["retrieval"].to_dict() == {1: 2, 2: 2}  # one a new pLLM
    assert requests["popular"].to_dict() == {1: 2, 2: 2}
    probed = 1 + 2  # the base LLM and two new pLLMs; then the words that were proposed
    assert requests["xpert"][1] > probed
    assert requests["xpert"][2] < requests["xpert"][1]
    evaluated = found["cloud"].query("work == 'Evaluate' and strategy == 'popular'")["requests"]
    assert evaluated.sum() <= 16  # of four pLLMs with each other; answers that are the same are read once


def test_an_update_is_the_offer_that_a_cloud_without_memory_would_make(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    config = waves(tiny_llm, tmp_path, "strategies=scratch,xpert")
    run(config)
    provider = Provider(prepare(config))
    pools = [provider.resident.open_pool(folder) for folder in (cache_dir().resolve() / "living").glob("*/pool")]
    (last,) = [pool for pool in pools if len(pool.ids) == 4]
    make_offer(tmp_path / "anew", make_strategy("xpert", config), provider, last)
    anew = load_offer(tmp_path / "anew")
    (update,) = [
        offer
        for path in cache_dir().glob("living/*/offer.json")
        if (offer := load_offer(path.parent)).pllms == last.ids
    ]
    assert update.payload.keys() == anew.payload.keys()
    for name, value in anew.payload.items():
        np.testing.assert_array_equal(update.payload[name], value)
    assert update.explanations == anew.explanations


@pytest.mark.parametrize("policies", ['["reject","freshest"]', '["chosen"]', '["medoids","merge"]'])
def test_policies_limit_the_pool(tiny_llm: Path, tmp_path: Path, policies: str) -> None:
    found = run(waves(tiny_llm, tmp_path, f"waves.policies={policies}", "waves.keep=3", "strategies=scratch,random"))
    assert found["versions"]["pllms"].max() <= 3
    assert found["versions"]["pllms"].iloc[-1] >= 1


def test_a_policy_that_nobody_knows_is_refused(tiny_llm: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"waves\.policies: unknown policy 'medoid'"):
        prepare(waves(tiny_llm, tmp_path, "waves.policies=medoid"))


def test_who_contributes_publishes_once_where_a_strategy_asks_for_it(tiny_llm: Path, tmp_path: Path) -> None:
    config = waves(tiny_llm, tmp_path, "strategies=scratch,xpert_cards")
    found = run(config)
    assert (found["users"].query("wave > 0 and strategy == 'xpert_cards'")["chosen"] != "").all()
    owners = found["cloud"].query("by == 'owners'")
    assert owners.query("work == 'States'")["requests"].tolist() == [2, 2]  # two new ones a wave
    assert owners.query("work == 'publish'")["wave"].tolist() == [1, 2]
    sizes = owners.query("work == 'publish'")["bytes_up"].astype(float)
    assert sizes.iloc[0] == pytest.approx(sizes.iloc[1], rel=0.2)


def test_what_the_cloud_made_has_no_owner_to_publish(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Merge, "alike", -2.0)
    with pytest.raises(UserError, match="has none, for the cloud made it"):
        run(waves(tiny_llm, tmp_path, "strategies=scratch,xpert_cards", "waves.policies=merge"))


def test_waves_are_summed_up(whole: Path) -> None:
    table = waves_of(load_run(whole))
    assert table["wave"].tolist() == [0, 0, 1, 1, 2, 2]
    first = table.query("wave == 0")
    assert (first["compute_saved_total"] == 0).all()
    assert (first["time_saved_total"] < 0).all()  # nothing is saved yet, and the uploads are paid
    assert (table["bytes_up"] > 0).all()
    assert table["cloud_flops"].eq(0).all()  # neither of the two asks the cloud for anything
    assert (first[["style_there", "style_chosen"]] == 0).all(axis=None)


def test_a_closest_pllm_of_another_style_is_not_ones_own(whole: Path) -> None:
    users = read(whole, "users").query("strategy == 'oracle'")
    styles = {f"user-{user}": style for user, style in zip(users["user_id"], users["style"], strict=True)}
    own = users["chosen"].map(styles) == users["style"]
    table = waves_of(load_run(whole)).query("strategy == 'oracle'").set_index("wave")
    assert table["style_chosen"].tolist() == own.groupby(users["wave"]).mean().tolist()
    assert (table["selection_accuracy"].dropna() == 1).all()
    assert table["style_chosen"].max() < 1  # closest always, and yet for some of another style


def test_break_even_is_where_savings_begin_to_last() -> None:
    saved = {"a": [-1, 1, -1, 1, 1], "b": [1, 1, 1, 1, 1], "c": [1, 1, 1, 1, -1]}
    rows = [{"wave": w, "strategy": s, "saved": v} for s, values in saved.items() for w, v in enumerate(values)]
    assert break_even(pd.DataFrame(rows), "saved") == {"a": 3, "b": 0, "c": None}


def test_what_is_said_of_waves_is_as_sure_as_their_intervals() -> None:
    saved, low = {"a": [0, 0.1, 0.3], "b": [0, 0.1, 0.1], "c": [0, -1, -1]}, {"a": [0, -0.1, 0.2], "b": [0, -1, -1]}
    rows = [
        {"wave": w, "strategy": s, "x": v, "x_low": low.get(s, values)[w], "x_so_far": -1.0}
        | {"users": w, "style_there": w * (s == "a") / 2, "style_chosen": w * (s == "a") / 10}
        for s, values in saved.items()
        for w, v in enumerate(values)
    ]
    assert list(sentences(pd.DataFrame(rows), "x")) == [
        "a: on average a wave's users save from wave 1 on (clearly: from wave 2 on); all users so far together never "
        "save. 83% found a pLLM of their own style there, 17% started from one.",
        "b: on average a wave's users save from wave 1 on (clearly: never); all users so far together never save.",
        "c: on average a wave's users never save; all users so far together never save.",
    ]


@pytest.mark.cluster
def test_flower_gives_the_records_of_inline(whole: Path, tiny_llm: Path, tmp_path: Path) -> None:
    config = waves(tiny_llm, tmp_path, "engine.backend=flower", "engine.workers=2")
    folder = make_folder(config, "flower")
    start(prepare(config), folder, Silent())
    assert tables(folder) == tables(whole)
