"""The two sides as a strategy sees them: a phone; the cloud with its pool, and who gives a pLLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from strategies.requests import Request, Start, Text

Tensors = Mapping[str, npt.NDArray[np.generic]]
"""Named arrays, as in a PEFT adapter file."""
T = TypeVar("T")


@dataclass(frozen=True)
class Hardware:
    """What a phone knows of itself.

    Args:
        app_ram_bytes: memory that an app may use.
        access: "wifi", "4g" or "5g"; down_mbps, up_mbps: Mbit/s; latency_ms: of a request.
        battery_j: a full charge.
        windows_h: (from, to) in hours from now in which it may work, as far ahead as is known; empty: always.
    """

    tier: str
    app_ram_bytes: float
    access: str
    down_mbps: float
    up_mbps: float
    latency_ms: float
    battery_j: float
    windows_h: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Price:
    """What a request would cost this phone: for the deployed LLM, on its own processor and network.

    An estimate before the work is done: of texts and answers the config states how long they are, an answer may end
    before `max_new_tokens`, and of a Train the steps that the deployed LLM needs for a measured one are not known yet
    (`sim.ledger.terms`). Seconds and joules are NaN where the phone has too little memory, and `reason` says so.
    """

    seconds: float
    joules: float
    bytes_down: float
    bytes_up: float
    flops: float
    reason: str = ""

    @property
    def fits(self) -> bool:
        """Whether the phone can do it at all."""
        return self.seconds == self.seconds


class Phone(Protocol):
    """A user's phone: its own texts, what it knows of itself, and its own random stream; nothing else."""

    @property
    def texts(self) -> Sequence[Text]:
        """The user's own texts, as many as this run lets the phone have."""
        ...

    @property
    def hardware(self) -> Hardware:
        """Memory, network, battery, and when it may work."""
        ...

    def price(self, request: Request[object]) -> Price:
        """What a request would cost, before it is made. A pLLM that is on the phone already costs no download."""
        ...

    def rng(self, purpose: str) -> np.random.Generator:
        """The user's random stream for a purpose: the same for any order of users and number of workers."""
        ...

    @property
    def nearest(self) -> Sequence[str]:
        """The truly closest pLLMs. Raises PermissionError unless the strategy declares `reads_truth`."""
        ...


class PoolView(Protocol):
    """The pool as the cloud shows it to a strategy: weights and amounts, not what anybody calls the styles."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    def adapter(self, pllm: str) -> Tensors:
        """PEFT's tensors of a pLLM's adapter. Raises KeyError where the pool has no such pLLM."""
        ...

    def texts(self, pllm: str) -> int:
        """How many texts a pLLM was fine-tuned on."""
        ...

    def chosen(self, pllm: str) -> int:
        """How many users have started from a pLLM so far, by most of the weight; what they download the cloud knows."""
        ...


class Contributions(PoolView, Protocol):
    """The adapters that users of a wave gave, seen as a pool. Requests may name them as they name the pool's pLLMs."""

    def start(self, pllm: str) -> Start:
        """What a user fine-tuned it from; empty: from scratch."""
        ...


class Cloud(Protocol):
    """The provider of the pool. `ask` answers a request at once and books it to the cloud, not to a phone."""

    @property
    def pool(self) -> PoolView: ...

    @property
    def probes(self) -> Sequence[str]:
        """Prompts that belong to no user, for probing pLLMs."""
        ...

    @property
    def published(self) -> Mapping[str, Mapping[str, object]]:
        """What the owner of each pLLM published with it (`Strategy.publish`), by pLLM; asked for when first read.

        A run ends with an error where owners' texts are not known: of a pool that `pool.path` names.
        """
        ...

    def ask(self, request: Request[T]) -> T:
        """The reply to a request. Raises PermissionError for one that only phones may make (Download, Train)."""
        ...

    def rng(self, purpose: str) -> np.random.Generator: ...


class Owner(Protocol):
    """The phone of who gives a pLLM to the pool: the texts that the pLLM was made of, and requests at its expense."""

    @property
    def texts(self) -> Sequence[Text]:
        """All that the owner wrote, of the pLLM's style or not."""
        ...

    def ask(self, request: Request[T]) -> T:
        """The reply to a request. Raises PermissionError as the cloud's does."""
        ...
