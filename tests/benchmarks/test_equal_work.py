"""All contestants of the benchmark do the same work: the same final losses for every user."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import ours, peft_loop
from tests.benchmarks.bench import EQUAL_NATS
from tests.benchmarks.workload import POCKET, Workload


@pytest.fixture
def work(tiny_llm: Path) -> Workload:
    return Workload(str(tiny_llm), users=3, steps=7, texts=6, held_out=3, evaluate_every=3)


@pytest.fixture
def expected(work: Workload) -> list[float]:
    losses: list[float] = peft_loop.run(work, threads=1)["losses"]
    assert len(set(losses)) == work.users
    return losses


@pytest.mark.parametrize("lanes", [1, 4])
def test_headstart_equals_the_peft_loop(work: Workload, expected: list[float], tmp_path: Path, lanes: int) -> None:
    found = ours.run(work, tmp_path, backend="inline", lanes=lanes)
    np.testing.assert_allclose(found["losses"], expected, atol=EQUAL_NATS)


@pytest.mark.cluster
@pytest.mark.slow
def test_the_flowertune_pattern_equals_the_peft_loop(work: Workload, expected: list[float], tmp_path: Path) -> None:
    from tests.benchmarks import flowertune

    np.testing.assert_allclose(flowertune.run(work, tmp_path)["losses"], expected, atol=EQUAL_NATS)


@pytest.mark.benchmark
def test_the_pocket_llm_to_the_last_step(tmp_path: Path) -> None:
    """Where rounding has sixty steps to grow."""
    work = Workload(POCKET, users=4, steps=60)
    expected = peft_loop.run(work, threads=1)["losses"]
    np.testing.assert_allclose(ours.run(work, tmp_path, backend="inline")["losses"], expected, atol=EQUAL_NATS)


def test_the_order_is_that_of_batches_without_end() -> None:
    work = Workload(POCKET, users=1, steps=10, texts=10)
    order = work.order(0)
    assert len(order) == 20
    assert sorted(order[:6]) == sorted(order[6:12]) == list(range(6))  # every text that is not set aside once an epoch


def test_work_is_counted_in_flops_of_real_tokens(work: Workload) -> None:
    size = work.size()
    assert size["parameters"] > 1000
    assert 1 < size["flops"] / (size["step_flops"] * work.users * work.steps) < 3
    twice = replace(work, steps=14).size()
    assert twice["flops"] > 1.7 * size["flops"]
