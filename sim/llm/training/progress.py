"""One lane in training: when it ends, which step's adapter it keeps, and at which step it reached its target.

Two sets of texts have two tasks. Validation texts decide, as whoever trains an adapter decides by some texts of their
own: the lane ends when patience is out, and the adapter of the step with the lowest loss is kept. Held-out texts
measure: their losses are the curve, and they decide nothing but when there is no more to measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from torch import Tensor

from sim.llm.model import Encoded

Key = TypeVar("Key")
T = TypeVar("T")
Curve = Sequence[tuple[int, float]]
"""Losses by step, ascending."""
LEAST_VALIDATION, VALIDATION_SHARE = 4, 8
"""Of texts an eighth is set aside for validation, and four at least where there are as many again to train on."""


def set_aside(texts: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """Texts to train on, and those set aside for validation, the last ones; of a single text there are none."""
    count = min(max(LEAST_VALIDATION, round(len(texts) / VALIDATION_SHARE)), len(texts) // 2)
    return texts[: len(texts) - count], texts[len(texts) - count :]


@dataclass(frozen=True)
class Plan:
    """How every lane of a run is trained."""

    steps: int
    batch: int
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    evaluate_every: int = 5
    patience: int = 0  # evaluations without a new best on validation texts after which a lane ends; 0: never
    width: int = 16  # lanes in one batch


@dataclass
class Lane(Generic[Key]):
    """One adapter to train.

    Args:
        key: comes back with the result.
        start: the adapter (size,) that training begins with, of any size that its kind knows.
        rng: decides the order of the texts.
        validation: decides when the lane ends and which adapter is kept; none: all steps are trained, the last is kept.
        held_out: measures; none: there is no curve.
        target: held-out loss whose first step is wanted, or how it follows from the curve once that is whole.
        leave: end as soon as a target that is known is reached: what follows would not be looked at.
    """

    key: Key
    start: Tensor
    texts: Sequence[Encoded]
    rng: np.random.Generator
    lr: float
    validation: Sequence[Encoded] = ()
    held_out: Sequence[Encoded] = ()
    target: float | Callable[[Curve], float] | None = None
    leave: bool = True


@dataclass
class LaneResult(Generic[Key]):
    """What became of a lane: held-out and validation losses by step, counts, the kept step and its adapter (size,).

    `overlap` is for whoever scores the answers that this adapter writes.
    """

    key: Key
    curve: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    steps: int = 0
    kept_step: int = 0
    train_tokens: int = 0
    evaluated_tokens: int = 0
    evaluated_texts: int = 0
    adapter: Tensor | None = None
    overlap: dict[str, float] = field(default_factory=dict)

    @property
    def validation_loss(self) -> float | None:
        """The loss that chose the kept step; None: there were no validation texts."""
        return dict(self.validation).get(self.kept_step)

    def read(self, texts: Sequence[Encoded]) -> None:
        """Count an evaluation on texts."""
        self.evaluated_tokens += sum(map(len, texts))
        self.evaluated_texts += len(texts)


class Progress(Generic[Key]):
    """A lane and how far it is."""

    def __init__(self, lane: Lane[Key]) -> None:
        self.lane = lane
        self.result: LaneResult[Key] = LaneResult(lane.key)
        self._evaluated = -1  # step of the last evaluation
        self._between: dict[int, Tensor] = {}  # adapters by step, since an evaluation, while the target may lie there
        self._looking = lane.target is not None

    def due(self, plan: Plan) -> bool:
        """Whether the lane is to be evaluated now: before the first step, every so many steps, and at the end."""
        steps = self.result.steps
        return steps != self._evaluated and (steps % plan.evaluate_every == 0 or steps >= plan.steps)

    def stepped(self, tokens: int, adapter: Tensor, plan: Plan) -> None:
        """Count a step, which made the adapter (size,) what it is."""
        self.result.steps += 1
        self.result.train_tokens += tokens
        if self._looking and not self.due(plan):
            self._between[self.result.steps] = adapter.clone()

    def evaluated(self, validation: float, held_out: float, adapter: Tensor, plan: Plan) -> bool:
        """Take in losses of the present adapter (size,); returns whether the lane has ended."""
        lane, result = self.lane, self.result
        self._evaluated = result.steps
        if lane.held_out:
            result.curve.append((result.steps, held_out))
            result.read(lane.held_out)
        if lane.validation:
            result.validation.append((result.steps, validation))
            result.read(lane.validation)
        losses = np.nan_to_num([loss for _, loss in result.validation], nan=np.inf)
        since_best = len(losses) - 1 - int(np.argmin(losses)) if len(losses) else 0
        if not since_best:
            result.kept_step, result.adapter = result.steps, adapter.detach().clone()
        tired = bool(plan.patience) and since_best >= plan.patience
        there = lane.leave and isinstance(lane.target, float) and held_out <= lane.target
        return result.steps >= plan.steps or tired or there

    def crossing(self, ended: bool) -> dict[int, Tensor]:
        """Adapters by step, to be measured one after another up to the first at the target: none in most calls.

        They lie between the first evaluation at the target and the one before. Where the target follows from the whole
        curve, that is known at the end; until then the adapters that may turn out to be these are kept.
        """
        if not self._looking:
            return {}
        curve, target = self.result.curve, self._target()
        first = next((i for i, (_, loss) in enumerate(curve) if loss <= target), None)
        if first is None:
            self._between.clear()
            return {}
        after = curve[first - 1][0] if first else curve[0][0]
        self._between = {step: adapter for step, adapter in self._between.items() if step > after}
        if not (ended or isinstance(self.lane.target, float)):
            return {}
        self._looking = False
        found = {step: adapter for step, adapter in self._between.items() if step < curve[first][0]}
        self._between.clear()
        return found

    def measured(self, step: int, loss: float) -> bool:
        """Add the held-out loss of a step to the curve; returns whether it is at the target."""
        at_target = loss <= self._target()
        self.result.curve = sorted([*self.result.curve, (step, loss)])
        self.result.read(self.lane.held_out)
        return at_target

    def _target(self) -> float:
        target = self.lane.target
        assert target is not None
        return target if isinstance(target, float) else target(self.result.curve)
