"""The jobs of a run follow from the config alone, each user once per strategy, in the order of the records."""

from __future__ import annotations

from collections import Counter

import pytest

from sim.cloud.cohorts import CohortPlan, job_count, jobs, plan, with_targets
from sim.experiment.config import Config
from sim.messages import Job


def planned(*overrides: str) -> tuple[Config, list[CohortPlan], list[Job]]:
    config = Config.load(None, ["population.users=10", "engine.cohort=4", "ladder.users=6", *overrides])
    plans = list(plan(config, {name: f"offer of {name}" for name in ["scratch", *config.strategies]}))
    return config, plans, [job for p in plans for job in p.jobs]


def test_indices_count_the_jobs_in_order() -> None:
    for overrides in ([], ["strategies=random,xpert"], ["ladder.users=0"], ["ladder.users=100", "engine.cohort=3"]):
        config, plans, jobs = planned(*overrides)
        assert [job.index for job in jobs] == list(range(len(jobs)))
        assert job_count(config) == len(jobs)
        assert [p.last for p in plans[:-1]] == [p.reference.index - 1 for p in plans[1:]]


def test_jobs_of_all_waves_follow_each_other() -> None:
    config = Config.load(None, ["population.users=10", "engine.cohort=2", "ladder.users=6", "waves.count=3"])
    every = list(jobs(config, range(3)))
    assert [job.index for job in every] == list(range(job_count(config)))
    assert [job.wave for job in every] == sorted(job.wave for job in every)
    assert {user for job in every if job.wave == 1 for user in job.users} == set(config.wave(1))
    assert next(jobs(config, [2])).index == job_count(config, 2)


def test_every_user_and_strategy_comes_once_with_all_texts() -> None:
    config, _, jobs = planned()
    found = Counter((job.strategy, user) for job in jobs if job.amount == 1.0 for user in job.users)
    assert set(found) == {(s, u) for s in config.strategies for u in range(10)}
    assert set(found.values()) == {1}


def test_every_climbing_user_and_strategy_comes_once_an_amount_below_one() -> None:
    config, _, jobs = planned("ladder.amounts=0.5,1.0,0,0.25")
    found = Counter((job.strategy, job.amount, user) for job in jobs if job.amount < 1.0 for user in job.users)
    assert set(found) == {(s, a, u) for s in config.strategies for a in (0, 0.25, 0.5) for u in range(6)}
    assert set(found.values()) == {1}


@pytest.mark.parametrize("overrides", [["ladder.users=0"], ["ladder.amounts=1.0"], ["ladder.amounts=[]"]])
def test_no_ladder_no_ladder_jobs(overrides: list[str]) -> None:
    assert {job.amount for job in planned(*overrides)[2]} == {1.0}


def test_reference_is_first_in_its_cohort_even_where_it_is_not_compared() -> None:
    _, plans, jobs = planned("strategies=random,xpert")
    assert all(p.reference.strategy == "scratch" and p.reference.amount == 1.0 for p in plans)
    assert all(job.users == p.reference.users for p in plans for job in p.followers if job.amount == 1.0)
    assert {job.strategy for job in jobs if job.amount < 1.0} == {"random", "xpert"}


def test_jobs_carry_the_offer_of_their_strategy() -> None:
    assert all(job.offer == f"offer of {job.strategy}" for job in planned()[2])


def test_cohorts_do_not_depend_on_the_machine() -> None:
    for cohort in ("4", "auto"):
        first = planned(f"engine.cohort={cohort}")[1]
        assert first == planned(f"engine.cohort={cohort}", "engine.workers=7", "engine.backend=inline")[1]


def test_users_of_a_cohort_are_in_order_and_the_last_cohort_may_be_smaller() -> None:
    assert [p.reference.users for p in planned()[1]] == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]
    assert [p.reference.users for p in planned("engine.cohort=1", "population.users=2")[1]] == [(0,), (1,)]


def test_targets_follow_the_users_of_each_job() -> None:
    jobs = [Job(1, "random", (2, 0)), Job(2, "random", (1,), 0.5)]
    assert [job.targets for job in with_targets(jobs, {0: 0.5, 1: 1.5, 2: 2.5})] == [(2.5, 0.5), (1.5,)]
