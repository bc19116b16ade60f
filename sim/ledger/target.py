"""The loss that a user is to reach, and when it was reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """When a lane answered its question."""

    step: int
    censored: bool

    @classmethod
    def reached(cls, curve: Sequence[tuple[int, float]], loss: float, budget: int) -> Target:
        """First evaluated step at or under a loss; the whole budget, marked censored, where there is none."""
        for step, value in curve:
            if value <= loss:
                return cls(step, False)
        return cls(budget, True)


def target_loss(curve: Sequence[tuple[int, float]], tolerance: float) -> float:
    """The best held-out loss of a curve from scratch, plus the tolerance as a share of it."""
    return min(loss for _, loss in curve) * (1 + tolerance)
