"""A run with attackers: who they are, what they give, what is said of them, and that nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sim.analysis.run.report import report
from sim.analysis.run.verdict import setting
from sim.analysis.run.waves import waves as waves_of
from sim.analysis.summary import by_key, summarise
from sim.analysis.tables import load_run
from sim.cloud.check import prepare
from sim.common.errors import UserError
from sim.engine import start
from sim.experiment.config import Config
from sim.population.users import attacks
from sim.records.folder import make_folder
from tests.runs import Silent, run, serve, small_config, tables

SEED = 9008
WAVES = ["waves.count=3", "waves.contribute=1", "pool.size=0", "ladder.users=0", "population.phones=oneplus-12"]
ATTACKED = ["attackers.share=0.4", f"seed={SEED}", "population.users=12", "engine.cohort=3"]


def attacked(llm: Path, output: Path, *overrides: str) -> Config:
    """Twelve users in three waves, some of whom attack."""
    return small_config(llm, output, "strategies=scratch,random,oracle", *WAVES, *ATTACKED, *overrides)


def hostile(config: Config) -> set[int]:
    return {user for user in range(config.population.users) if attacks(config, user)}


@pytest.fixture(scope="module")
def whole(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with backdoors."""
    config = attacked(tiny_llm, tmp_path_factory.mktemp("attacked"), "attackers.kind=backdoor")
    folder = make_folder(config, "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        serve(config, folder)
    return folder


def read(folder: Path, table: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{table}.csv")


def test_attackers_are_recorded_and_left_out(whole: Path) -> None:
    loaded, users = load_run(whole), read(whole, "users")
    assert loaded.config is not None
    enemies = hostile(loaded.config)
    assert 3 <= len(enemies) <= 6
    for _, mine in users.groupby("strategy"):
        assert set(mine.loc[mine["attacker"], "user_id"]) == enemies
    assert set(loaded.user_ids) == set(range(12)) - enemies
    assert set(loaded.attackers["user_id"]) == enemies
    assert not set(loaded.curves["user_id"]) & enemies
    honest = users[~users["attacker"]].query("strategy == 'random'")
    found = by_key(summarise(loaded))["random", "reached"]
    assert found["users"] == len(honest) == 12 - len(enemies)
    assert found["mean"] == pytest.approx(1 - honest["censored"].mean())


def test_it_is_said_how_many_were_left_out(whole: Path) -> None:
    loaded = load_run(whole)
    count = len(hostile(Config.of_run(whole / "config.toml")))
    assert f"{12 - count} users, 3 strategies: scratch, random, oracle. {count} more attack" in setting(loaded)[0]
    (said,) = prepare(Config.of_run(whole / "config.toml")).remarks
    assert said.startswith(f"attackers: {count} of 12 users attack (backdoor)")
    html = report(whole).read_text(encoding="utf-8")
    assert f"{count} more attack, and are left out of all that follows" in html
    assert "pLLMs of attackers, %" in html


def test_waves_say_what_attackers_gave(whole: Path) -> None:
    users, versions, table = read(whole, "users"), read(whole, "versions"), waves_of(load_run(whole))
    enemies = hostile(Config.of_run(whole / "config.toml"))
    for row in table.itertuples():
        before = {user for user in enemies if user // 4 == row.wave - 1}
        assert row.by_attackers == len(before)
        assert row.attackers == len([user for user in enemies if user // 4 == row.wave])
        assert row.users + row.attackers == 4
        if row.wave:
            assert row.poisoned == len([u for u in enemies if u // 4 < row.wave]) / (4 * row.wave)
    assert versions["by_attackers"].tolist() == table["by_attackers"].tolist()
    honest = users[~users["attacker"] & (users["strategy"] == "random") & (users["wave"] == 2)]
    from_enemies = honest["chosen"].str.removeprefix("user-").astype(int).isin(enemies)
    assert honest["poisoned_start"].tolist() == from_enemies.astype(float).tolist()
    assert table.query("wave == 2 and strategy == 'random'")["poisoned_start"].item() == from_enemies.mean()


def test_llms_of_who_started_from_others_are_asked(whole: Path) -> None:
    users = read(whole, "users")
    for column in ("backdoored_start", "backdoored"):
        asked = users[column].notna()
        assert (asked == users["chosen"].notna()).all()
        assert users.loc[asked, column].between(0, 1).all()


def test_honest_users_of_the_first_wave_are_as_without_attackers(whole: Path, tiny_llm: Path, tmp_path: Path) -> None:
    config = attacked(tiny_llm, tmp_path, "attackers.share=0")
    run(config, "peace")
    peace, users = (
        pd.read_csv(folder / "users.csv", dtype=str, keep_default_na=False)
        for folder in (Path(config.output) / config.name / "peace", whole)
    )
    assert set(peace["attacker"]) == {"false"}
    assert set(peace["poisoned_start"]) == {""}
    columns = [name for name in users if name not in ("wall_s", "attacker", "run")]
    some = (users["attacker"] == "false") & ((users["wave"] == "0") | (users["strategy"] == "scratch"))
    assert some.sum() > 8
    assert users.loc[some, columns].equals(peace.loc[some, columns])


@pytest.mark.parametrize("kind", ["flipped", "scaled", "random"])
def test_what_is_no_more_of_a_style_is_nobodys_oracle(tiny_llm: Path, tmp_path: Path, kind: str) -> None:
    config = attacked(tiny_llm, tmp_path, f"attackers.kind={kind}", "strategies=scratch,oracle")
    users = run(config)["users"].query("strategy == 'oracle' and wave == 2")
    assert not set(users["chosen"].str.removeprefix("user-").astype(int)) & hostile(config)


def test_reject_drops_what_was_blown_up(tiny_llm: Path, tmp_path: Path) -> None:
    scaled = ["attackers.kind=scaled", "attackers.scale=1000", "waves.policies=reject", "attackers.share=0.2"]
    config = attacked(tiny_llm, tmp_path, *scaled, "strategies=scratch,random", "population.users=24")
    found = run(config)["versions"]
    assert 0 < len(hostile(config)) < 8
    assert found["by_attackers"].sum() > 0
    assert found["poisoned"].tolist() == [0, 0, 0]


def test_who_is_mislabelled_publishes_what_another_style_would(tiny_llm: Path, tmp_path: Path) -> None:
    """And gives an honest adapter: what the cloud is told changes, and with it what users choose."""
    kinds = {}
    for kind in ("mislabelled", "flipped"):
        config = attacked(tiny_llm, tmp_path, f"attackers.kind={kind}", "strategies=scratch,xpert_cards")
        kinds[kind] = run(config, kind)
    peace = run(attacked(tiny_llm, tmp_path, "attackers.share=0", "strategies=scratch,xpert_cards"), "peace")
    honest = ~kinds["mislabelled"]["users"]["attacker"] & (kinds["mislabelled"]["users"]["wave"] == 1)
    for tables_of in kinds.values():
        assert tables_of["versions"]["contributed"].tolist() == [0, 4, 4]
    scores = {name: each["choices"].query("user_id < 8")["score"].tolist() for name, each in kinds.items()}
    assert scores["mislabelled"] != peace["choices"].query("user_id < 8")["score"].tolist()
    assert honest.any()


def test_a_run_of_nothing_but_attackers_has_no_result(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    users = read(whole, "users")
    users[users["attacker"]].to_csv(tmp_path / "run" / "users.csv", index=False)
    with pytest.raises(UserError, match=r"all \d users attack, so there is no result"):
        load_run(tmp_path / "run")


def test_without_attackers_a_run_is_called_what_it_was(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.experiment.config.YOUNGER", ())
    with_all = small_config(tiny_llm, tmp_path).digest()
    monkeypatch.undo()
    config = small_config(tiny_llm, tmp_path)
    assert config.digest() != with_all  # the section is no part of the hash
    assert config.digest() != attacked(tiny_llm, tmp_path).digest()
    assert attacked(tiny_llm, tmp_path).digest() != attacked(tiny_llm, tmp_path, "attackers.kind=random").digest()


@pytest.mark.cluster
def test_flower_gives_the_records_of_inline(whole: Path, tiny_llm: Path, tmp_path: Path) -> None:
    kind = ["attackers.kind=backdoor", "engine.backend=flower", "engine.workers=2"]
    folder = make_folder(attacked(tiny_llm, tmp_path, *kind), "flower")
    start(prepare(attacked(tiny_llm, tmp_path, *kind)), folder, Silent())
    assert tables(folder) == tables(whole)
