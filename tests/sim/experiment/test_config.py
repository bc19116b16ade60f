"""A config says what is wrong with it in one line, and comes back from its own TOML unchanged."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from sim.common.errors import UserError
from sim.experiment.config import Config

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = sorted((ROOT / "configs").rglob("*.toml"))


def refused(*overrides: str, path: Path | None = None) -> str:
    """The one line that a bad config is refused with."""
    with pytest.raises(UserError) as caught:
        Config.load(path, overrides)
    line = str(caught.value)
    assert line
    assert "\n" not in line
    return line


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_shipped_config_loads(path: Path) -> None:
    assert Config.load(path).strategies


def test_quickstart_is_the_defaults_at_tuned_rates_with_fewer_users() -> None:
    tuned = tomllib.loads((ROOT / "configs" / "tuned" / "quickstart.toml").read_text(encoding="utf-8"))
    rates = [f"{section}.{key}={value}" for section, keys in tuned.items() for key, value in keys.items()]
    assert len(rates) == 3
    fewer = [
        "population.users=24",
        "ladder.users=0",
        "engine.cohort=12",
        f"strategies={[*Config().strategies, 'xpert_cards']}",
    ]
    assert Config.load(ROOT / "configs" / "quickstart.toml") == Config.load(None, [*rates, *fewer])


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "quickstart"),
        (["corpus.source=persona"], "quickstart"),
        (["corpus.source=jsonl", "corpus.path=/data/My texts.jsonl"], "My-texts"),
        (["corpus.source=xpert", "corpus.path=data/xpert/"], "xpert"),
        (["corpus.source=hf", "corpus.path=allenai/soda"], "soda"),
        (["corpus.source=weather:Weather"], "weather-Weather"),
        (["corpus.source=jsonl", "corpus.path=/data/①.jsonl"], "corpus"),
        (["corpus.source=jsonl", "corpus.path=c.jsonl", "name=mine"], "mine"),
    ],
)
def test_results_of_another_corpus_do_not_land_among_the_quickstart_s(overrides: list[str], name: str) -> None:
    for path in (None, ROOT / "configs" / "quickstart.toml"):
        config = Config.load(path, overrides)
        assert (config.name, config.pool.size) == (name, "auto")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("population.usres=3", ["population.usres", "unknown key", "Did you mean 'users'?"]),
        ("popluation.users=3", ["popluation", "Did you mean 'population'?"]),
        ("qqq=3", ["qqq", "unknown key", "training"]),
        ("population.users=many", ["population.users = 'many'", "integer"]),
        ("population.users=2.5", ["population.users = 2.5", "integer"]),
        ("population.users=-4", ["population.users = -4", "greater than or equal to 1"]),
        ("population=4", ["population", "section", "users"]),
        ("population.users.more=4", ["population.users"]),
        ("pool.similarity=1.5", ["pool.similarity = 1.5", "less than or equal to 1"]),
        ("pool.similarity=nan", ["pool.similarity"]),
        ("pool.texts=poor", ["pool.texts = 'poor'", "'peers' or 'rich'"]),
        ("training.lr=inf", ["training.lr = inf", "finite"]),
        ("training.stop_at_target=maybe", ["training.stop_at_target = 'maybe'", "boolean"]),
        ("billing.precision=int3", ["billing.precision = 'int3'", "'int4'"]),
        ("engine.workers=0", ["engine.workers = 0", "greater than or equal to 1", "'auto'"]),
        ("engine.cohort=some", ["engine.cohort = 'some'", "integer", "'auto'"]),
        ("ladder.amounts=0.5,2", ["ladder.amounts.1", "less than or equal to 1"]),
        ("strategies=scratch,scratch", ["strategies", "'scratch' is named twice"]),
        ("strategies=", ["strategies", "at least 1"]),
        ('strategies=["scratch"', ["strategies", "list"]),
        ("name=a/b", ["name = 'a/b'"]),
        ("name=..", ["name = '..'"]),
        ("seed", ["'seed'", "key=value"]),
        ("=3", ["key=value"]),
    ],
)
def test_bad_key_or_value_is_one_line_that_names_it(override: str, said: list[str]) -> None:
    line = refused(override)
    assert [part for part in said if part not in line] == []


def test_ladder_needs_at_least_one_text() -> None:
    line = refused("population.texts=6", "ladder.amounts=[0.05, 1.0]")
    assert "ladder.amounts" in line
    assert "0.05 of population.texts = 6" in line
    Config.load(None, ["population.texts=6", "ladder.amounts=[0.05, 1.0]", "ladder.users=0"])


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"name = \n", "line 1"), (b"[pool\nsize = 3\n", "line 1"), (b"name = '\xff'\n", "utf-8")],
)
def test_unreadable_file_is_one_line_that_names_it(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    line = refused(path=path)
    assert str(path) in line
    assert said in line


def test_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    assert "no file" in refused(path=tmp_path / "none.toml")
    assert str(tmp_path) in refused(path=tmp_path)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ('strategies=["scratch", "xpert"]', ["scratch", "xpert"]),
        ("strategies=scratch, xpert", ["scratch", "xpert"]),
        ('strategies=\'["scratch", "xpert"]\'', ["scratch", "xpert"]),  # as Flower's run config hands it over
        ("strategies=scratch", ["scratch"]),
        ("strategies=package.module:Class", ["package.module:Class"]),
    ],
)
def test_lists_come_as_toml_json_or_with_commas(override: str, value: list[str]) -> None:
    assert Config.load(None, [override]).strategies == value


def test_overrides_are_toml_where_they_parse_and_plain_text_else() -> None:
    config = Config.load(
        None,
        [
            "population.users=1_000",
            "pool.similarity=.5",
            "training.stop_at_target=false",
            "population.phones=tier:flagship",
            'output="with space"',
            "ladder.amounts=0.25,0.5",
            "engine.workers=2",
            "corpus.path=",
            "options.xpert.metric=l2",
        ],
    )
    assert config.population.users == 1000
    assert config.pool.similarity == 0.5
    assert config.training.stop_at_target is False
    assert config.population.phones == "tier:flagship"
    assert config.output == "with space"
    assert config.ladder.amounts == [0.25, 0.5]
    assert config.engine.workers == 2
    assert config.corpus.path == ""
    assert config.options == {"xpert": {"metric": "l2"}}


def test_styles_may_be_numbers() -> None:
    config = Config.load(None, ["corpus.default=0", "corpus.styles=1,2", "population.styles=[1]"])
    assert (config.corpus.default, config.corpus.styles, config.population.styles) == ("0", ["1", "2"], ["1"])
    assert Config.load(None, ["corpus.styles=3"]).corpus.styles == ["3"]


def test_phones_may_be_a_list() -> None:
    config = Config.load(None, ['population.phones=["oneplus-12", "apple-iphone-13"]'])
    assert config.population.phones == "oneplus-12,apple-iphone-13"


def test_later_override_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('name = "mine"\n[pool]\nsize = 3\n[population]\nusers = 5\n')
    config = Config.load(path, ["pool.size=4", "pool.size=6"])
    assert (config.name, config.pool.size, config.population.users) == ("mine", 6, 5)


@pytest.mark.parametrize("path", [None, *SHIPPED], ids=lambda p: p.name if p else "defaults")
def test_round_trip_through_toml(tmp_path: Path, path: Path | None) -> None:
    odd = ["corpus.path=a b", 'options.xpert.metric="l2"', "options.mine.use=xpert", "engine.cohort=3", "seed=7"]
    config = Config.load(path, odd)
    (tmp_path / "again.toml").write_text(config.to_toml(), encoding="utf-8")
    assert Config.load(tmp_path / "again.toml") == config


def test_anchored_paths_do_not_depend_on_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text("{}")
    config = Config.load(None, ["corpus.source=jsonl", "corpus.path=texts.jsonl", "output=out"]).anchored(tmp_path)
    assert config.corpus.path == str((tmp_path / "texts.jsonl").resolve())
    assert config.output == str((tmp_path / "out").resolve())
    assert (config.llm.model, config.llm.deploy, config.pool.path) == ("pocket", "llama-3.2-1b", "")
    assert (config.population.phone_file, config.population.availability) == ("", "always")


def test_own_phones_traces_and_llms_are_anchored(tmp_path: Path) -> None:
    for name in ("mine.csv", "trace.json", "always", "my-llm.json"):
        (tmp_path / name).write_text("{}")
    keys = ["population.phone_file=mine.csv", "population.availability=trace.json", "llm.deploy=my-llm.json"]
    config = Config.load(None, keys).anchored(tmp_path)
    found = (config.population.phone_file, config.population.availability, config.llm.deploy)
    assert found == tuple(str((tmp_path / name).resolve()) for name in ("mine.csv", "trace.json", "my-llm.json"))
    assert Config.load(None, []).anchored(tmp_path).population.availability == "always"


PATHS = ["output", "llm.model", "llm.summarizer", "llm.deploy", "llm.summarizer_deploy", "corpus.path", "pool.path"]
PATHS += ["population.phone_file", "population.availability", "engine.store"]


def test_every_value_that_can_be_a_path_is_changed_and_nothing_else() -> None:
    changed = Config.load(None, [f"{key}=here" for key in PATHS]).with_paths(lambda value, key: f"{value} and there")
    assert changed == Config.load(None, [f"{key}=here and there" for key in PATHS])


@pytest.mark.parametrize(
    "override",
    [
        *["llm.model=pocket", "llm.summarizer=pocket", "population.availability=always", "engine.store=s3://bucket/x"],
        *["population.availability=daily", "corpus.path=", "pool.path=", "population.phone_file=", "engine.store="],
    ],
)
def test_values_that_are_no_path_are_left_alone(override: str) -> None:
    config = Config.load(None, ["llm.deploy=", "llm.summarizer_deploy=", "output=", override])
    assert config.with_paths(lambda value, key: "never") == config


def test_names_on_the_hub_stay_and_places_to_be_made_are_anchored(tmp_path: Path) -> None:
    config = Config.load(None, ["llm.model=me/mine", "corpus.path=me/data", "engine.store=st", "pool.path=none"])
    found = config.anchored(tmp_path)
    assert (found.llm.model, found.corpus.path, found.pool.path) == ("me/mine", "me/data", "none")
    assert found.engine.store == str(tmp_path.resolve() / "st")


REFERENCE = [
    path
    for path in sorted((ROOT / "results" / "reference").glob("*/*/config.toml"))
    if json.loads((path.parent / "manifest.json").read_text(encoding="utf-8"))["headstart"] == version("headstart")
]


@pytest.mark.parametrize("path", REFERENCE, ids=lambda p: p.parent.name)
def test_runs_of_a_sweep_are_found_again_by_their_hash(path: Path) -> None:
    """Committed sweeps of this version can be gone on with; those of earlier ones had other keys and defaults."""
    assert Config.load(path).digest() == path.parent.name


def test_settings_of_strategies_are_hashed_and_sent_as_they_are() -> None:
    settings = ["options.a.at=2020-01-01T00:00:00", "options.a.most=inf", "options.a.list=[1, 2.5]"]
    config = Config.load(None, settings)
    others = [Config.load(None, [*settings, o]) for o in ("options.a.at=2020-01-02", "options.a.most=nan")]
    assert len({c.digest() for c in (config, *others)}) == 3
    assert Config.model_validate_json(config.model_dump_json()).digest() == config.digest()
    assert Config.model_validate_json(config.model_dump_json()).options["a"]["most"] == float("inf")
