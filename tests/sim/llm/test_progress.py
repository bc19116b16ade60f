"""Validation texts decide when a lane ends and what it keeps; held-out texts measure, to the step where it matters."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from sim.ledger.target import Target, target_loss
from sim.llm.adapters.lora import Lora
from sim.llm.lanes import Lanes
from sim.llm.model import Encoded, LanguageModel
from sim.llm.training.finetune import evaluate, finetune
from sim.llm.training.progress import Curve, Lane, LaneResult, Plan, Progress, set_aside

TEXT = [Encoded(np.zeros(4, dtype=np.int32), 2)]
PLAN = Plan(steps=20, batch=1, evaluate_every=5, patience=2)


@pytest.mark.parametrize(("count", "aside"), [(0, 0), (1, 0), (2, 1), (7, 3), (8, 4), (35, 4), (48, 6), (400, 50)])
def test_an_eighth_is_set_aside_four_at_least_and_half_at_most(count: int, aside: int) -> None:
    training, validation = set_aside(range(count))
    assert [*training, *validation] == list(range(count))
    assert len(validation) == aside


def lane(**changes: object) -> Lane[int]:
    values = {"validation": TEXT, "held_out": TEXT, **changes}
    return Lane(0, torch.zeros(1), TEXT, np.random.default_rng(0), 1e-3, **values)  # type: ignore[arg-type]


def trained(lane: Lane[int], validation: list[float], held_out: list[float]) -> LaneResult[int]:
    """What becomes of a lane that has these losses at its evaluations; its adapter is the number of the step."""
    progress = Progress(lane)
    for at in range(len(held_out)):
        while not progress.due(PLAN):
            progress.stepped(10, torch.tensor([progress.result.steps + 1.0]), PLAN)
        if progress.evaluated(validation[at], held_out[at], torch.tensor([5.0 * at]), PLAN):
            return progress.result
    raise AssertionError("the lane goes on")


def test_validation_texts_end_a_lane_and_choose_its_adapter_whatever_the_held_out_texts_say() -> None:
    validation = [3.0, 2.0, 2.5, 2.4, 1.0]
    for held_out in ([1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 4.0, 3.0, 2.0, 1.0]):
        found = trained(lane(), validation, held_out)
        assert (found.steps, found.kept_step, found.validation_loss) == (15, 5, 2.0)
        assert found.adapter == torch.tensor([5.0])
        assert found.curve == list(zip((0, 5, 10, 15), held_out, strict=False))
        assert (found.train_tokens, found.evaluated_texts, found.evaluated_tokens) == (150, 8, 32)


def test_without_validation_texts_all_steps_are_trained_and_the_last_adapter_is_kept() -> None:
    found = trained(lane(validation=()), [0.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.steps, found.kept_step, found.validation_loss, found.validation) == (20, 20, None, [])


def test_a_loss_that_is_no_number_is_never_the_best() -> None:
    found = trained(lane(), [2.0, float("nan"), float("nan")], [2.0] * 3)
    assert (found.steps, found.kept_step, found.validation_loss) == (10, 0, 2.0)


def test_a_known_target_ends_a_lane_unless_it_is_to_go_on() -> None:
    losses = [3.0, 2.0, 1.9, 1.8, 1.7]
    assert trained(lane(target=2.0), losses, losses).steps == 5
    assert trained(lane(target=2.0, leave=False), losses, losses).steps == 20
    assert trained(lane(target=lambda _: 2.0), losses, losses).steps == 20


# ---------------------------------------------------------------- the step at which a target is reached

STEPS = 30


def learner(lm: LanguageModel, layers: Lanes, key: int, **changes: object) -> Lane[int]:
    rng = np.random.default_rng(key)
    rows = [Encoded(rng.integers(4, 300, int(rng.integers(6, 20))).astype(np.int32), 2) for _ in range(9)]
    return Lane(
        key=key,
        start=layers.layout.fresh(rng),
        texts=rows[:6],
        rng=np.random.default_rng([1, key]),
        lr=5e-3,
        held_out=rows[4:],
        **changes,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def home(tiny_llm: Path) -> tuple[LanguageModel, Lanes]:
    lm = LanguageModel(tiny_llm)
    return lm, Lanes(lm.model, Lora(4, 8.0, ("q_proj", "v_proj")).on(lm.model))


@pytest.fixture(scope="module")
def every_step(home: tuple[LanguageModel, Lanes]) -> dict[int, Curve]:
    """The curves of four learners who are evaluated at every step."""
    lanes = [learner(*home, key) for key in range(4)]
    return {r.key: r.curve for r in finetune(*home, lanes, Plan(steps=STEPS, batch=2, evaluate_every=1))}


@pytest.mark.parametrize(("every", "width"), [(5, 16), (7, 3), (30, 2)])
def test_a_target_is_pinned_to_its_step_however_rarely_and_in_whatever_batches_lanes_are_evaluated(
    home: tuple[LanguageModel, Lanes], every_step: dict[int, Curve], every: int, width: int
) -> None:
    plan = Plan(steps=STEPS, batch=2, evaluate_every=every, width=width)
    targets = {key: curve[11][1] + 1e-5 for key, curve in every_step.items()}
    wanted = {key: Target.reached(every_step[key], target, STEPS) for key, target in targets.items()}
    assert len({target.step % every for target in wanted.values()} - {0}) > 0
    lanes = [learner(*home, key, target=target) for key, target in targets.items()]
    for result in finetune(*home, lanes, plan):
        assert Target.reached(result.curve, targets[result.key], STEPS) == wanted[result.key]
        steps = [step for step, _ in result.curve]
        assert steps == sorted(set(steps))
        assert result.steps == -(-wanted[result.key].step // every) * every
        known = dict(every_step[result.key])
        np.testing.assert_allclose([v for _, v in result.curve], [known[s] for s in steps], atol=1e-5)


def test_a_target_that_follows_from_the_curve_is_pinned_at_the_end(
    home: tuple[LanguageModel, Lanes], every_step: dict[int, Curve]
) -> None:
    """Of losses that fall without a break the best is the last, however rarely they are measured."""
    own = partial(target_loss, tolerance=0.05)
    plan = Plan(steps=STEPS, batch=2, evaluate_every=6)
    results = {r.key: r for r in finetune(*home, [learner(*home, key, target=own) for key in range(4)], plan)}
    for key, curve in every_step.items():
        target = own(results[key].curve)
        assert target == pytest.approx(own([p for p in curve if p[0] % 6 == 0]), abs=1e-5)
        assert Target.reached(results[key].curve, target, STEPS) == Target.reached(curve, target, STEPS)
        assert results[key].steps == STEPS


def test_evaluation_of_nothing_is_nothing(home: tuple[LanguageModel, Lanes]) -> None:
    flat = home[1].layout.neutral()[None]
    assert evaluate(*home, flat, [[]]).tolist() == [0.0]


def test_no_step_is_trained_where_none_is_to_be(home: tuple[LanguageModel, Lanes]) -> None:
    (found,) = finetune(*home, [learner(*home, 0, target=0.0)], replace(PLAN, steps=0))
    assert (found.steps, found.train_tokens, [step for step, _ in found.curve]) == (0, 0, [0])
