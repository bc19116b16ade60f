"""The cloud as a strategy sees it: the pool, probe prompts, and models whose use is booked to the cloud."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from sim.common.streams import stream
from sim.ledger.work import Work
from sim.serving.resident import Resident
from strategies.base import Request

PROBES = 64


class Cloud:
    """Answers at once. One instance a strategy, so that its bill is that strategy's."""

    def __init__(self, resident: Resident) -> None:
        self._resident = resident
        self._books: dict[str, Work] = defaultdict(Work)

    @property
    def pool(self) -> Any:
        return self._resident.pool

    @cached_property
    def probes(self) -> Sequence[str]:
        corpus = self._resident.corpus
        count = min(PROBES, corpus.available(corpus.default, "pool"))
        return corpus.probes(count, stream(self._resident.config.pool.seed, "probes"))

    def rng(self, purpose: str) -> np.random.Generator:
        return stream(self._resident.config.pool.seed, "cloud", purpose)

    def ask(self, request: Request) -> Any:
        return self._resident.answers([request], [self._books[type(request).__name__]])[0]

    def bill(self) -> dict[str, dict[str, Any]]:
        """Work by kind of request."""
        return {kind: work.as_dict() for kind, work in self._books.items()}
