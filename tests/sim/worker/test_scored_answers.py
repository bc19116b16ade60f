"""With `training.scored_answers`, what users end with answers held-out prompts; nothing else changes by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.cloud.check import prepare
from sim.common import overlap
from sim.common.errors import UserError
from sim.common.overlap import OVERLAP
from tests.runs import run, tiny_config


def test_answers_are_scored_where_asked(tiny_llm: Path, tmp_path: Path) -> None:
    config = tiny_config(tiny_llm, tmp_path, "strategies=scratch,oracle", "population.users=2", "ladder.users=1")
    plain = run(config, "plain")
    training = config.training.model_copy(update={"scored_answers": 2})
    scored = run(config.model_copy(update={"training": training}), "scored")
    names = list(OVERLAP)
    assert (plain["users"][names] == "").all(axis=None)
    assert scored["users"][names].astype(float).stack().between(0, 1).sum() == 2 * 2 * 3
    assert (scored["ladder"][names] == "").all(axis=None)  # with all texts only
    same = [name for name in plain["users"].columns if name not in (*names, "wall_s", "run")]
    assert plain["users"][same].equals(scored["users"][same])


def test_a_run_that_cannot_score_does_not_begin(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlap, "PACKAGES", ("no_such_package",))
    with pytest.raises(UserError, match=r"training.scored_answers = 2: not installed: no_such_package"):
        prepare(tiny_config(tiny_llm, tmp_path, "training.scored_answers=2"))
