"""Learning rates are tuned on users whom no run reports, and a config takes them from the file that it names."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from sim.cli import app
from sim.common.errors import UserError
from sim.common.streams import tuning_seed
from sim.corpus.persona import PersonaCorpus
from sim.display import Log
from sim.experiment.config import Config
from sim.population.users import draw_users
from sim.tune import Trial, Tuned, tune, write
from tests.runs import tiny_overrides

STYLES = ["expert-concise-poetic", "elementary-concise-sassy"]


def test_the_best_rate_has_the_lowest_loss_and_its_file_says_what_the_others_gave(tmp_path: Path) -> None:
    tuned = [
        Tuned("pool.lr", [Trial(1e-3, 0.7, 40, 0.0), Trial(3e-3, 0.6, 20, 0.0)]),
        Tuned("training.lr", [Trial(1e-3, 0.7, 40, 0.5), Trial(2e-3, 0.5, 30, 0.1), Trial(5e-3, 0.6, 20, 0.0)]),
    ]
    assert [(t.best.rate, t.at_an_end) for t in tuned] == [(3e-3, True), (2e-3, False)]
    write(tuned, tmp_path / "tuned" / "a.toml", "headstart tune a.toml")
    text = (tmp_path / "tuned" / "a.toml").read_text()
    assert tomllib.loads(text) == {"pool": {"lr": 3e-3}, "training": {"lr": 2e-3}}
    assert "headstart tune a.toml" in text
    assert "training.lr      0.001: 0.7000, 0.002: 0.5000, 0.005: 0.6000" in text


def test_those_it_is_tuned_on_are_no_run_s_users() -> None:
    """Their seed is none that people name, so neither their numbers nor their texts are drawn as any other's."""
    seeds = [tuning_seed(seed) for seed in range(3)]
    assert len(set(seeds)) == 3
    assert all(2**62 <= seed < 2**63 for seed in seeds)
    texts = [
        {text for user in draw_users(config, PersonaCorpus(), STYLES, range(4)) for text in user.texts}
        for config in (Config(), Config(seed=seeds[0]))
    ]
    assert not texts[0] & texts[1]


def test_a_config_is_tuned_and_takes_what_was_found(tiny_llm: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n')
    said = CliRunner().invoke(
        app, ["tune", str(path), "--rates", "0.02,0.001", "--users", "2", *tiny_overrides(tiny_llm, tmp_path)]
    )
    assert said.exit_code == 0, said.output
    file = Path(said.output.splitlines()[-1])
    assert file == tmp_path / "tuned" / "mine.toml"
    path.write_text('name = "mine"\ntuned = "tuned/mine.toml"\n[training]\nwarm_lr = 0.5\n')
    config = Config.load(path, ["pool.steps=7"])
    found = tomllib.loads(file.read_text())
    assert {found["training"]["lr"], found["pool"]["lr"]} <= {0.001, 0.02}
    assert (config.training.lr, config.pool.lr) == (found["training"]["lr"], found["pool"]["lr"])
    assert (config.training.warm_lr, config.pool.steps) == (0.5, 7)  # what a config states itself goes before
    assert Config.load(path, ["training.lr=0.7"]).training.lr == 0.7
    runs = {folder.name: sorted(folder.glob("*/users.csv")) for folder in tmp_path.glob("mine-tuning-*")}
    assert {name: len(files) for name, files in runs.items()} == {"mine-tuning-pool": 2, "mine-tuning-users": 2}
    best = min(
        pd.read_csv(file).query("strategy == 'oracle'")["validation_loss"].mean() for file in runs["mine-tuning-users"]
    )
    assert f"{best:.4f}" in file.read_text()


def test_without_a_pool_there_is_only_scratch_to_tune(tiny_llm: Path, tmp_path: Path) -> None:
    config = Config.load(None, [*tiny_overrides(tiny_llm, tmp_path), "pool.size=0"])
    (only,) = tune(config, [1e-3, 1e-2], 1, Log())
    assert (only.key, [trial.rate for trial in only.trials]) == ("training.lr", [1e-3, 1e-2])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["training.cost_only=true"], "cost_only"),
        (["population.texts=1", "pool.size=0"], "training.lr: validation texts"),
    ],
)
def test_what_cannot_be_tuned_is_refused(tiny_llm: Path, tmp_path: Path, overrides: list[str], said: str) -> None:
    config = Config.load(None, [*tiny_overrides(tiny_llm, tmp_path), "ladder.users=0", *overrides])
    with pytest.raises(UserError, match=f"tune: .*{said}"):
        tune(config, [1e-3], 1, Log())


@pytest.mark.parametrize("rates", ["fast", "0.1,-1", "nan", "0"])
def test_rates_that_are_none_are_one_line(rates: str) -> None:
    with pytest.raises(UserError, match=f"--rates {rates}"):
        CliRunner().invoke(app, ["tune", "--rates", rates], catch_exceptions=False, standalone_mode=False)


@pytest.mark.parametrize(
    ("tuned", "content", "said"),
    [
        ('"none.toml"', None, "no file .*none.toml"),
        ("3", None, "tuned = 3"),
        ('"t.toml"', "a =", "t.toml: Invalid value"),
        ('"t.toml"', "seed = 3", "t.toml: 'seed': only pool.lr, training.lr, training.warm_lr"),
        ('"t.toml"', "[training]\nsteps = 3", "t.toml: 'training': only"),
        ('"t.toml"', '[training]\nlr = "fast"', "training.lr = 'fast'"),
    ],
)
def test_a_tuned_file_that_is_none_is_one_line(tmp_path: Path, tuned: str, content: str | None, said: str) -> None:
    (tmp_path / "a.toml").write_text(f"tuned = {tuned}\n")
    if content is not None:
        (tmp_path / "t.toml").write_text(content)
    with pytest.raises(UserError, match=said):
        Config.load(tmp_path / "a.toml")
