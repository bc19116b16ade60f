"""Who is simulated beside whom changes batches, and with them the last digits of a loss, but no step."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.runs import run, tiny_config

STEPS = ["steps_to_target", "censored", "steps", "kept_step"]
LOSSES = ["start_loss", "target_loss", "best_loss", "validation_loss", "kept_loss"]


def test_steps_are_the_same_in_cohorts_and_batches_of_any_size(tiny_llm: Path, tmp_path: Path) -> None:
    training = "training.steps=24 training.evaluate_every=6 training.lr=0.02 pool.steps=12 pool.lr=0.02".split()
    config = tiny_config(tiny_llm, tmp_path, "strategies=scratch,random", "population.users=4", *training)
    together = run(config, "together")
    by_user = ["user_id", "strategy"]
    engine = config.engine.model_copy(update={"cohort": 1, "lanes": 1})
    apart = run(config.model_copy(update={"engine": engine}), "apart")
    one, other = (tables["users"].set_index(by_user).sort_index() for tables in (together, apart))
    assert one[STEPS].equals(other[STEPS])
    np.testing.assert_allclose(one[LOSSES], other[LOSSES], atol=1e-4)
    found = together["users"]["steps_to_target"]
    assert (found % 6 != 0).any()  # steps are found between evaluations
    curves = together["curves"].set_index(["user_id", "strategy", "step"])["loss"]
    for row in together["users"].itertuples():
        if not row.censored and row.steps_to_target:
            assert curves[row.user_id, row.strategy, row.steps_to_target] <= row.target_loss
            assert curves[row.user_id, row.strategy, row.steps_to_target - 1] > row.target_loss
