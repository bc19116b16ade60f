"""What a phase cost a phone: seconds, joules, FLOPs, bytes, memory, and whether it could run at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from devices.basics import Flags, Floats, Words
from devices.memory import FITS, REFUSED, STREAMS

STATUS_NAMES = ("fits", "streams", "does_not_fit")


@dataclass(frozen=True)
class Cost:
    """What one phase cost, or several added up, for one phone or for arrays of phones.

    Where a phase could not run (`refused`), seconds, joules, FLOPs and battery share are NaN and `reason`
    says why; a sum with such a phase is NaN too. `memory_bytes` is the peak, against
    `usable_bytes`. `runtime` names the software that training's memory was reckoned for (`devices.memory.RUNTIMES`).
    """

    phase: str
    seconds: Floats
    joules: Floats
    flops: Floats
    bytes_down: Floats
    bytes_up: Floats
    bytes_flash: Floats
    battery_share: Floats
    memory_bytes: Floats
    usable_bytes: Floats
    status: npt.NDArray[np.int8]
    runtime: str = ""

    @property
    def fits(self) -> Flags:
        """True where the phase ran from memory."""
        fits: Flags = self.status == FITS
        return fits

    @property
    def streamed(self) -> Flags:
        """True where the LLM was read layer by layer from flash."""
        streamed: Flags = self.status == STREAMS
        return streamed

    @property
    def refused(self) -> Flags:
        """True where the phase could not run: recorded as does_not_fit."""
        refused: Flags = self.status == REFUSED
        return refused

    @property
    def fit(self) -> str | Words:
        """The verdict on memory: "fits", "streams" or "does_not_fit"; a str for one phone, an array for many."""
        names = np.array(STATUS_NAMES)[self.status]
        return str(names) if names.ndim == 0 else names

    @property
    def reason(self) -> str:
        """Why a phase streamed or was refused, in one line; "" where it fits. For one phone only."""
        if np.ndim(self.status):
            raise ValueError("reason is for one phone: take cost.at(index) first")
        if self.status == FITS:
            return ""
        need, have = float(self.memory_bytes) / 1e9, float(self.usable_bytes) / 1e9
        if self.status == STREAMS:
            why = f"the LLM does not fit the {have:.2f} GB an app may use"
            return f"{self.phase}: {why}; {float(self.bytes_flash) / 1e9:.3g} GB streamed from flash"
        under = f" (runtime {self.runtime})" if self.runtime else ""
        return f"{self.phase} needs {need:.2f} GB{under}, an app may use {have:.2f} GB on this phone"

    def at(self, index: int) -> Cost:
        """The cost of one phone out of an array of them."""
        shape = np.broadcast_shapes(*(np.shape(v) for v in self._values()))
        return _cost(self.phase, [*(np.broadcast_to(v, shape)[index] for v in self._values()), self.runtime])

    def __add__(self, other: Cost) -> Cost:
        """Both phases, one after the other: sums of everything, the larger of the memory peaks."""
        mine, theirs = self._values(), other._values()
        sums = [a + b for a, b in zip(mine[:-3], theirs[:-3], strict=True)]
        larger = np.asarray(other.memory_bytes) > np.asarray(self.memory_bytes)
        peaks = [np.where(larger, b, a) for a, b in zip(mine[-3:-1], theirs[-3:-1], strict=True)]
        return _cost(f"{self.phase}+{other.phase}",
                     [*sums, *peaks, np.maximum(self.status, other.status), self.runtime or other.runtime])  # fmt: skip

    def _values(self) -> tuple[Any, ...]:
        return (self.seconds, self.joules, self.flops, self.bytes_down, self.bytes_up, self.bytes_flash,
                self.battery_share, self.memory_bytes, self.usable_bytes, self.status)  # fmt: skip


def _cost(phase: str, values: Iterable[Any]) -> Cost:
    return Cost(phase, *values)


def where(condition: Flags, yes: Cost, no: Cost) -> Cost:
    """Field by field: `yes` where the condition holds, else `no`. Both must be of the same phase."""
    values = [np.where(condition, a, b) for a, b in zip(yes._values(), no._values(), strict=True)]
    return _cost(no.phase, [*values, no.runtime])


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of the phases. Raises ValueError for none."""
    every = list(costs)
    if not every:
        raise ValueError("no cost to add up")
    return reduce(Cost.__add__, every)
