"""What a config alone tells is refused before an LLM is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.cloud.check import prepare
from sim.common.errors import UserError
from sim.experiment.config import Config


@pytest.fixture(autouse=True)
def no_llm(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("an LLM was loaded")

    monkeypatch.setattr("sim.llm.model.LanguageModel.__init__", refuse)


@pytest.mark.parametrize("styles", [[], ["population.styles=elementary-concise-noir"]])
def test_a_folder_that_is_no_pool(tmp_path: Path, styles: list[str]) -> None:
    with pytest.raises(UserError, match="is no pool"):
        prepare(Config.load(None, [f"pool.path={tmp_path}", *styles]))


def test_more_styles_a_user_than_users_can_have() -> None:
    with pytest.raises(UserError, match="styles_per_user = 3: users can have only 2 styles"):
        prepare(Config.load(None, ["pool.size=2", "population.styles_per_user=3"]))


def test_training_before_choosing_where_nobody_trains() -> None:
    with pytest.raises(UserError, match="'hyperband' trains before it chooses"):
        prepare(Config.load(None, ["strategies=scratch,hyperband", "training.cost_only=true"]))
