"""The cloud as a strategy sees it: what the pool holds, probe prompts, and requests that are booked to the cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from safetensors.numpy import load_file

from sim.common.sealed import sealed, sealed_value
from sim.common.streams import stream
from sim.llm.adapters.files import WEIGHTS
from sim.pool.pool import Pool
from sim.serving.account import Account
from sim.serving.answer import Answering, answer
from sim.serving.desk import Desk
from sim.serving.requests import Asked
from sim.serving.resident import Resident
from strategies.base import Request, Start, Tensors

PROBES = 64
T = TypeVar("T")
Answered = tuple[object, Exception | None]
"""A reply, or the error that a request led to."""


@dataclass(frozen=True)
class ShownPool:
    """What implements `strategies.base.PoolView`: weights and amounts of the pool's pLLMs, not their styles."""

    folders: Mapping[str, Path]
    amounts: Mapping[str, int]
    starts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, pool: Pool, starts: Mapping[str, int] | None = None) -> ShownPool:
        """Args: starts: how many users have started from each pLLM."""
        folders = {name: pool.folder / name for name in pool.ids}
        return cls(folders, {name: card.texts for name, card in pool.cards.items()}, dict(starts or {}))

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.folders)

    def adapter(self, pllm: str) -> Tensors:
        return dict(load_file(self.folders[pllm] / WEIGHTS))

    def texts(self, pllm: str) -> int:
        return self.amounts[pllm]

    def chosen(self, pllm: str) -> int:
        return self.starts.get(pllm, 0)


@dataclass(frozen=True)
class ShownContributions(ShownPool):
    """What implements `strategies.base.Contributions`."""

    origins: Mapping[str, Start] = field(default_factory=dict)

    def start(self, pllm: str) -> Start:
        return self.origins[pllm]


@dataclass(frozen=True)
class CloudView:
    """What implements `strategies.base.Cloud`. It holds plain values, and one sealed function that answers requests.

    Args:
        answered: the reply to a request, or the error that it led to, which is raised here: its traceback would lead to
            the models.
    """

    pool: ShownPool
    probes: Sequence[str]
    seed: int
    answered: Callable[[Request[object]], Answered]
    publish: Callable[[], Answered]

    @property
    def published(self) -> Mapping[str, Mapping[str, object]]:
        return cast(Mapping[str, Mapping[str, object]], unwrapped(self.publish()))

    def rng(self, purpose: str) -> np.random.Generator:
        return stream(self.seed, "cloud", purpose)

    def ask(self, request: Request[T]) -> T:
        return cast(T, unwrapped(self.answered(request)))


def answering(desk: Desk, account: Account, answered: Answering = answer) -> Callable[[Request[object]], Answered]:
    """A sealed function that answers requests at an account's expense."""

    return sealed(lambda request: settled(lambda: answered(desk, [Asked(request, account)])[0]))


def settled(make: Callable[[], object]) -> Answered:
    """What a function gives, or its error without the traceback, which would lead to models."""
    try:
        return make(), None
    except Exception as error:
        return None, error.with_traceback(None)


def unwrapped(answered: Answered) -> object:
    """The reply, or the error raised here, where its traceback leads nowhere."""
    reply, error = answered
    if error is not None:
        raise error
    return reply


def cloud_view(
    pool: ShownPool,
    resident: Resident,
    answered: Callable[[Request[object]], Answered],
    publish: Callable[[], Mapping[str, Mapping[str, object]]],
) -> CloudView:
    """What a strategy may see of the cloud while it makes an offer, or receives what users gave.

    Args:
        answered: answers requests, sealed.
        publish: asks owners for what they publish.
    """

    corpus, seed = resident.corpus, resident.config.pool.seed
    count = min(PROBES, corpus.available(corpus.default, "pool"))
    probes = tuple(corpus.probes(count, stream(seed, "probes")))
    published = sealed_value(lambda: settled(publish))
    return CloudView(pool, probes, seed, answered, published)
