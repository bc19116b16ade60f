"""Work that was done: counted where it is done, by kind of request and LLM, and priced elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from devices.basics import Floats, Numbers, floats
from sim.messages import Counts

LLMS = ("base", "summarizer", "encoder")
"""What an LLM can be used as."""


class Key(NamedTuple):
    """What was asked for (the name of the request's class), and of which LLM: one of `LLMS` or, of none, ""."""

    kind: str
    llm: str = ""


class Figures(dict[str, Numbers]):
    """Counts by name: `requests`, `tokens`, `sequences` and whatever else a kind of request counts.

    Tokens are those of the LLMs that are really run. Numbers of one phone, or arrays (users,) of many.
    """

    def count(self, name: str) -> Floats:
        """A figure as what formulas compute with; 0 where there is none."""
        return floats(self.get(name, 0))


class Work:
    """What one phone, or the cloud, has done so far; in the order in which kinds were first asked for."""

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts: dict[Key, dict[str, float]] = {
            Key(kind, llm): dict(figures) for kind, by_llm in (counts or {}).items() for llm, figures in by_llm.items()
        }

    def add(self, kind: str, llm: str = "", **figures: float) -> None:
        """Count more of a kind of work. What is 0 is not noted."""
        found = {name: number for name, number in figures.items() if number}
        if found:
            mine = self._counts.setdefault(Key(kind, llm), {})
            for name, number in found.items():
                mine[name] = mine.get(name, 0) + number

    def items(self) -> Iterator[tuple[Key, Mapping[str, float]]]:
        """What was counted, by kind and LLM."""
        return iter(self._counts.items())

    def figures(self) -> dict[Key, Figures]:
        """The same for formulas."""
        return {key: Figures(counts) for key, counts in self.items()}

    def counts(self) -> dict[str, dict[str, dict[str, float]]]:
        """The same as plain values."""
        out: dict[str, dict[str, dict[str, float]]] = {}
        for (kind, llm), figures in self.items():
            out.setdefault(kind, {})[llm] = dict(figures)
        return out


def stacked(works: Sequence[Work]) -> dict[Key, Figures]:
    """The work of many phones: each figure an array (phones,), by key in the order in which keys are met."""
    counted = [dict(work.items()) for work in works]
    out: dict[Key, Figures] = {}
    for key in dict.fromkeys(key for mine in counted for key in mine):
        some = [mine.get(key, {}) for mine in counted]
        names = dict.fromkeys(name for figures in some for name in figures)
        out[key] = Figures({name: floats_of([figures.get(name, 0) for figures in some]) for name in names})
    return out


def floats_of(numbers: Sequence[float]) -> Floats:
    return np.array(numbers, dtype=np.float64)
