"""Lanes that were trained already are found again by all that decides them, and by nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sim.corpus.persona import PersonaCorpus
from sim.experiment.config import Config
from sim.llm.training.progress import Lane, LaneResult
from sim.messages import Job
from sim.worker.trained import trained as trained_lanes

JOB = Job(0, "scratch", (3, 4))
Found = tuple[list[int], list[Any]]
"""The users who had to be trained, and what became of all."""


@pytest.fixture
def trained(tmp_path: Path) -> Any:
    """Trains a cohort of a config, from starts of ones unless others are given, at two users' places."""

    def of(
        *overrides: str,
        job: Job = JOB,
        starts: tuple[float, ...] = (1.0, 1.0),
        styles: tuple[str, ...] = ("a",),
        llm: str = "x",
        **changed: Any,
    ) -> Found:
        resident = SimpleNamespace(corpus=PersonaCorpus(), lm_digest=llm)
        work: Any = SimpleNamespace(config=Config.load(None, overrides), resident=resident, user_styles=list(styles))
        lanes = [
            Lane(user, torch.full((3,), start), (), np.random.default_rng(0), **{"lr": 0.1, "target": 2.0, **changed})
            for user, start in zip(job.users, starts, strict=False)
        ]
        asked: list[int] = []

        def train(some: Sequence[Lane[int]]) -> list[LaneResult[int]]:
            asked.extend(lane.key for lane in some)
            return [LaneResult(lane.key, curve=[(0, 2.5), (5, 1.25)], steps=5) for lane in some]

        found = trained_lanes(work, tmp_path, job, lanes, train)
        return asked, found

    return of


def test_the_same_cohort_is_trained_once_whatever_the_pool_and_the_strategies(trained: Any) -> None:
    became = [LaneResult(u, curve=[(0, 2.5), (5, 1.25)], steps=5) for u in JOB.users]
    assert trained() == ([3, 4], became)
    same = ("pool.size=3", "strategies=scratch", "population.users=9", "billing.tokens_per_step=1", "engine.workers=2")
    assert trained(*same) == ([], became)
    assert trained(job=Job(7, "oracle", (3, 4), targets=(2.0, 2.0), offer="x", pool="y")) == ([], became)


@pytest.mark.parametrize(
    "override",
    [
        *["seed=1", "population.texts=9", "population.held_out=9", "population.styles_per_user=2"],
        *["training.rank=4", "training.steps=9", "engine.lanes=2"],
    ],
)
def test_another_config_is_another_cohort(trained: Any, override: str) -> None:
    trained()
    assert trained(override)[0]


@pytest.mark.parametrize(
    "changed", [{"lr": 0.2}, {"target": 1.0}, {"target": max}, {"leave": False}, {"starts": (1.0, 1.5)}]
)
def test_another_start_target_or_learning_rate_is_another_cohort(trained: Any, changed: dict[str, Any]) -> None:
    trained()
    assert trained(**changed)[0] == [3, 4]
    assert trained(**changed)[0] == []


def test_with_one_lane_a_batch_each_user_is_found_apart(trained: Any) -> None:
    assert trained("engine.lanes=1")[0] == [3, 4]
    asked, found = trained("engine.lanes=1", starts=(1.5, 1.0))
    assert asked == [3]
    assert [result.key for result in found] == [3, 4]


def test_another_llm_style_job_version_or_torch_is_another_cohort(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained()
    assert trained(llm="y")[0]
    assert trained(styles=("a", "b"))[0]
    assert trained(job=Job(0, "scratch", (3,)))[0]
    assert trained(job=Job(0, "scratch", (3, 4), 0.5))[0]
    monkeypatch.setattr("sim.worker.trained.VERSION", 0)
    assert trained()[0]
    monkeypatch.setattr("torch.__version__", "1.0")
    assert trained()[0]
