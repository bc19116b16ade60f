"""Who asks: the account of a phone, or of the cloud, to which work is booked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sim.common.streams import stream
from sim.ledger.work import Work
from strategies.base import Start

DOWNLOAD = "Download"
"""The kind that downloads are booked as, whatever request needed them."""


class Account:
    """The work that somebody's requests took."""

    def __init__(self) -> None:
        self.work = Work()


@dataclass(frozen=True)
class Trial:
    """An adapter that a phone trained before it chose: what it grew from, and the steps since then."""

    origin: Start
    steps: float


class PhoneAccount(Account):
    """A phone's: also what lies on the phone, what it trained for trial, and the random streams of its training.

    Args:
        alike: whether new adapters are the same for all users, as if an app came with one.
    """

    def __init__(self, user_id: int, seed: int, alike: bool = False) -> None:
        super().__init__()
        self.user_id, self._seed, self._alike = user_id, seed, alike
        self._here: set[str] = set()
        self._trials: dict[str, Trial] = {}

    def fresh_rng(self) -> np.random.Generator:
        """What a new adapter of this user's is drawn from."""
        return stream(self._seed, "adapter") if self._alike else stream(self._seed, self.user_id, "adapter")

    def batches_rng(self, trained: float | None = None) -> np.random.Generator:
        """What decides the order of texts in fine-tuning; for a trial, after so many trained steps."""
        if trained is None:
            return stream(self._seed, self.user_id, "batches")
        return stream(self._seed, self.user_id, "strategy", f"train after {trained:g} steps")

    def private_rng(self) -> np.random.Generator:
        """What draws the texts of each step of private fine-tuning, and its noise."""
        return stream(self._seed, self.user_id, "private")

    def receive(self, size: int) -> None:
        """Book the bytes of an offer."""
        self.work.add(DOWNLOAD, bytes=size)

    def fetch(self, names: Iterable[str]) -> None:
        """Book a download of each pLLM that is not on the phone yet."""
        new = set(names) - self._here
        self.work.add(DOWNLOAD, pllms=len(new))
        self._here |= new

    def install(self, files: Mapping[str, float]) -> None:
        """Book a download of each file, bytes by name, that is not on the phone yet."""
        self.work.add(DOWNLOAD, bytes=sum(size for name, size in files.items() if name not in self._here))
        self._here |= set(files)

    def has(self, name: str) -> bool:
        """Whether a pLLM, or another file, is on the phone."""
        return name in self._here

    def keep(self, start: Start, steps: float) -> Start:
        """Name what `steps` more steps from a start made; it is on the phone without a download."""
        name = f"user {self.user_id}, trial {len(self._trials) + 1}"
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
