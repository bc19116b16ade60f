"""Work that was done: counted where it is done, by kind of request and LLM, and priced elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from devices.basics import Numbers

Counts = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Work as JSON: figures by kind of request, then by LLM."""


class Key(NamedTuple):
    """What was asked for (the name of the request's class), and of which LLM: "base", "summarizer" or, where none, ""."""

    kind: str
    llm: str = ""


class Figures(dict[str, Numbers]):
    """Counts by name: `requests`, `tokens`, `sequences` and whatever else a kind of request counts; 0 where absent.

    Tokens are those of the LLMs that are really run. Numbers of one phone, or arrays (users,) of many.
    """

    def __missing__(self, name: str) -> Numbers:
        return 0.0


class Work:
    """What one phone, or the cloud, has done so far; in the order in which kinds were first asked for."""

    def __init__(self, counts: Counts | None = None) -> None:
        self._figures: dict[Key, Figures] = {
            Key(kind, llm): Figures(figures)
            for kind, by_llm in (counts or {}).items()
            for llm, figures in by_llm.items()
        }

    def add(self, kind: str, llm: str = "", **figures: float) -> None:
        """Count more of a kind of work. What is 0 is not noted."""
        found = {name: number for name, number in figures.items() if number}
        if found:
            mine = self._figures.setdefault(Key(kind, llm), Figures())
            for name, number in found.items():
                mine[name] += number

    def __getitem__(self, key: Key) -> Figures:
        return self._figures.get(key, Figures())

    def __iter__(self) -> Iterator[Key]:
        return iter(self._figures)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Work) and self._figures == other._figures

    def __repr__(self) -> str:
        return f"Work({self.counts()})"

    def counts(self) -> dict[str, dict[str, dict[str, float]]]:
        """The same as plain values."""
        out: dict[str, dict[str, dict[str, float]]] = {}
        for (kind, llm), figures in self._figures.items():
            out.setdefault(kind, {})[llm] = {name: _plain(number) for name, number in figures.items()}
        return out


def _plain(number: Numbers) -> float:
    return number if isinstance(number, int) else float(number)


def stacked(works: Sequence[Work]) -> dict[Key, Figures]:
    """The work of many phones: each figure an array (phones,), by key in the order in which keys are met."""
    keys = dict.fromkeys(key for work in works for key in work)
    return {
        key: Figures(
            {
                name: np.array([work[key][name] for work in works], dtype=np.float64)
                for name in dict.fromkeys(name for work in works for name in work[key])
            }
        )
        for key in keys
    }
