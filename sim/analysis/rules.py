"""What getting to the target costs a user, who may miss it: rules with names, for steps, FLOPs, seconds and joules.

A saving depends on what a miss is taken to cost, so it is never printed without its rule. Everything here works on
numbers and on arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Tuning(NamedTuple):
    """What fine-tuning cost, in one unit; all of one shape. Only what a rule needs must be known, NaN elsewhere.

    `to_target`: up to the target, for who missed it up to the end of the budget. `trained`: up to where training really
    ended, by patience or by the budget. `scratch`: what the same users need from scratch.
    """

    to_target: np.ndarray
    trained: np.ndarray
    missed: np.ndarray
    scratch: np.ndarray

    @classmethod
    def of(
        cls, to_target: ArrayLike, steps_to_target: ArrayLike, steps: ArrayLike, missed: ArrayLike, scratch: ArrayLike
    ) -> Tuning:
        """From columns of users.csv: a user's step costs as much after the target as before it.

        Args:
            to_target: finetune_flops, finetune_s, finetune_j, or steps_to_target itself.
            steps_to_target: by which `to_target` becomes the price of a step.
            steps: that were really trained.
            missed: whether the target was missed; not known (NaN) counts as reached, as where nobody trained.
            scratch: `to_target` of the same users from scratch.
        """
        cost, counted = (np.asarray(v, dtype=np.float64) for v in (to_target, steps_to_target))
        price = cost / np.where(counted > 0, counted, np.nan)
        gone = np.asarray(missed, dtype=np.float64) == 1
        arrays = np.broadcast_arrays(cost, price * np.asarray(steps, dtype=np.float64), gone, scratch)
        return cls(*(np.asarray(array) for array in arrays))


def restart(t: Tuning) -> np.ndarray:
    """Who misses has paid for all that was trained, and then trains from scratch, up to the target."""
    return np.where(t.missed, t.trained + t.scratch, t.to_target)


def as_trained(t: Tuning) -> np.ndarray:
    """Who misses pays for what was trained, and never gets to the target."""
    return np.where(t.missed, t.trained, t.to_target)


def at_budget(t: Tuning) -> np.ndarray:
    """Who misses pays for the whole budget, however early its training ended."""
    return t.to_target


RESTART, ANY = "restart", "any"
RULES: dict[str, Callable[[Tuning], np.ndarray]] = {
    RESTART: restart,
    "as trained": as_trained,
    "at budget": at_budget,
}
"""Rules by name. `RESTART` is that of every saving that is shown alone; `ANY` names none: what no rule changes."""
MEANING = "who misses the target pays what it trained, and then trains from scratch"
"""The rule `RESTART` in a few words, for captions."""
