"""A user's phone as a strategy sees it (`strategies.base.Phone`), and what the simulator keeps of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sim.common.streams import stream
from sim.ledger.work import Work
from sim.population.users import User
from strategies.base import Start, Text


@dataclass(frozen=True)
class Trial:
    """An adapter that a phone trained before it chose: what it grew from, and the steps since then."""

    origin: Start
    steps: float


class UserPhone:
    """The ledger `work`, the names of what is on the phone, and its trials.

    Args:
        texts: how many of the user's texts the phone has.
        nearest: the truly closest pLLMs; `truth`: whether the strategy may read them.
    """

    def __init__(self, user: User, texts: int, seed: int, nearest: Sequence[str], truth: bool) -> None:
        self.user, self._texts, self._seed = user, texts, seed
        self._nearest, self._truth = nearest, truth
        self.work = Work()
        self._here: set[str] = set()
        self._trials: dict[str, Trial] = {}

    @property
    def texts(self) -> Sequence[Text]:
        return self.user.texts[: self._texts]

    def rng(self, purpose: str) -> np.random.Generator:
        return stream(self._seed, self.user.id, "strategy", purpose)

    @property
    def nearest(self) -> Sequence[str]:
        if not self._truth:
            raise PermissionError("the true style is not this strategy's to read (it must declare reads_truth)")
        return self._nearest

    def fetch(self, names: Iterable[str]) -> None:
        """Book a download of each pLLM that is not on the phone yet."""
        new = set(names) - self._here
        self.work.pllm_downloads += len(new)
        self._here |= new

    def keep(self, start: Start, steps: float) -> Start:
        """Name what `steps` more steps from a start made; it is on the phone without a download."""
        name = f"user {self.user.id}, trial {len(self._trials) + 1}"
        self._trials[name] = Trial(self.origin(start), self.trained(start) + steps)
        self._here.add(name)
        return Start({name: 1.0})

    def origin(self, start: Start) -> Start:
        """The same start with trials replaced by what they grew from."""
        weights: dict[str, float] = {}
        for name, weight in start.weights.items():
            grown = self._trials[name].origin.weights if name in self._trials else {name: 1.0}
            for pllm, share in grown.items():
                weights[pllm] = weights.get(pllm, 0.0) + weight * share
        return Start(weights)

    def trained(self, start: Start) -> float:
        """Steps already trained in a start."""
        return max((self._trials[name].steps for name in start.weights if name in self._trials), default=0)
