"""Cohorts that runs of a sweep share are found again by all that decides them, and by nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sim.corpus.persona import PersonaCorpus
from sim.experiment.config import Config
from sim.llm.training.progress import LaneResult
from sim.messages import Job
from sim.worker.scratch import from_scratch

JOB = Job(0, "scratch", (3, 4))


@pytest.fixture
def trained(tmp_path: Path) -> Any:
    """Whether a cohort of a config had to be trained, and what became of it."""

    def of(*overrides: str, job: Job = JOB, styles: tuple[str, ...] = ("a",), llm: str = "x") -> tuple[bool, list[Any]]:
        resident = SimpleNamespace(corpus=PersonaCorpus(), lm_digest=llm)
        work: Any = SimpleNamespace(config=Config.load(None, overrides), resident=resident, user_styles=list(styles))
        times: list[int] = []

        def train() -> list[LaneResult[int]]:
            times.append(1)
            return [LaneResult(user, curve=[(0, 2.5), (5, 1.25)], steps=5) for user in job.users]

        found = from_scratch(work, tmp_path, job, train)
        return bool(times), found

    return of


def test_the_same_cohort_is_trained_once_whatever_the_pool_and_the_strategies(trained: Any) -> None:
    became = [LaneResult(u, curve=[(0, 2.5), (5, 1.25)], steps=5) for u in JOB.users]
    assert trained() == (True, became)
    same = ("pool.size=3", "strategies=scratch", "population.users=9", "billing.tokens_per_step=1", "engine.workers=2")
    assert trained(*same) == (False, became)


@pytest.mark.parametrize(
    "override",
    [
        *["seed=1", "population.texts=9", "population.held_out=9", "population.styles_per_user=2"],
        *["training.rank=4", "training.lr=0.1", "engine.lanes=2"],
    ],
)
def test_another_config_is_another_cohort(trained: Any, override: str) -> None:
    trained()
    assert trained(override)[0]


def test_another_llm_style_job_version_or_torch_is_another_cohort(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained()
    assert trained(llm="y")[0]
    assert trained(styles=("a", "b"))[0]
    assert trained(job=Job(0, "scratch", (3,)))[0]
    assert trained(job=Job(0, "scratch", (3, 4), 0.5))[0]
    monkeypatch.setattr("sim.worker.scratch.VERSION", 0)
    assert trained()[0]
    monkeypatch.setattr("torch.__version__", "1.0")
    assert trained()[0]
