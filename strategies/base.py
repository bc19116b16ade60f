"""The interface between a strategy and the simulator: what a phone and the cloud may ask for, and what they get.

A strategy is written for one phone. It touches models and data only by requests (`strategies.requests`), so nothing can
be used without being metered, and requests of the same kind from many phones are answered in one batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from strategies.arguments import wrong
from strategies.requests import (
    Download,
    Embed,
    Encode,
    Evaluate,
    Generate,
    NextWords,
    OutputRows,
    Request,
    Start,
    States,
    Text,
    Train,
    Trained,
    Which,
)
from strategies.views import Cloud, Contributions, Hardware, Owner, Phone, PoolView, Price, Tensors

__all__ = [
    "Asking",
    "Choice",
    "Choosing",
    "Cloud",
    "Contributions",
    "Download",
    "Embed",
    "Encode",
    "Evaluate",
    "Generate",
    "Hardware",
    "Members",
    "NextWords",
    "Offer",
    "OutputRows",
    "Owner",
    "Phone",
    "Policy",
    "PoolView",
    "Price",
    "Request",
    "Start",
    "States",
    "Strategy",
    "Tensors",
    "Text",
    "Train",
    "Trained",
    "Which",
    "best",
    "lowest",
]

T = TypeVar("T")
Asking = Generator[Request[object], Any, T]
"""What asks on the way to a T: requests out, each one's reply in. Python cannot type a `yield` by what is yielded."""
Choosing = Asking["Choice | Start"]
"""What `choose` is."""


@dataclass(frozen=True)
class Offer:
    """What the cloud hands to every phone before it chooses.

    `payload` is data the phone downloads with the offer (arrays count by their size in bytes, anything else as
    JSON); `pllms` are the ids it may start from. Neither holds any model: a phone asks for those by Download.
    `adapters` are adapters that the cloud made itself, by name, as PEFT's tensors of the pool's kind and sizes. A
    phone uses them by name as it uses pLLMs, and pays as much for them; it is handed the offer without the tensors.
    """

    pllms: tuple[str, ...] = ()
    payload: Mapping[str, object] = field(default_factory=dict)
    explanations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Words by pLLM, for the records only; the phone gets what it needs in `payload`."""
    coordinates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By pLLM and word, as in a choice, and for the records only as well."""
    adapters: Mapping[str, Tensors] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.pllms, str) or not isinstance(self.pllms, Iterable):
            raise wrong(self, "pllms", self.pllms, "ids of pLLMs are expected, as cloud.pool.ids")
        for name in ("payload", "explanations", "coordinates", "adapters"):
            if not isinstance(value := getattr(self, name), Mapping):
                raise wrong(self, name, value, "a dictionary is expected")


@dataclass(frozen=True)
class Choice:
    """A start, and why: the scores of the candidates (lower is better) and the user's style in words.

    Words of an explanation may overlap, so that it counts twice what two of them share. `coordinates`, by word as well,
    are those in which the strategy measures distances.
    """

    start: Start
    scores: Mapping[str, float] = field(default_factory=dict)
    explanation: Mapping[str, float] = field(default_factory=dict)
    coordinates: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.start, Start):
            raise wrong(self, "start", self.start, "a Start is expected, as Start({pllm: 1.0}), or Start() for none")
        for name in ("scores", "explanation", "coordinates"):
            if not isinstance(value := getattr(self, name), Mapping):
                raise wrong(self, name, value, "numbers by name are expected")


@dataclass(frozen=True)
class Members:
    """What the next version of a pool consists of.

    `pllms` are names of its present ones and of contributions, in the order of the offer. `made` are adapters that the
    cloud made of them, by name, as PEFT's tensors of the pool's kind and sizes; they come after those. A name stands
    for one adapter: what is made anew has a new one.
    """

    pllms: tuple[str, ...] = ()
    made: Mapping[str, Tensors] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all of them, in the order of the offer."""
        return (*self.pllms, *self.made)

    def only(self, names: Iterable[str]) -> Members:
        """Those of them that are named, in the same order."""
        some = set(names)
        made = {name: tensors for name, tensors in self.made.items() if name in some}
        return Members(tuple(name for name in self.pllms if name in some), made)

    def adapter(self, name: str, cloud: Cloud, given: Contributions) -> Tensors:
        """PEFT's tensors of one, wherever it is."""
        if name in self.made:
            return self.made[name]
        return (given if name in given.ids else cloud.pool).adapter(name)


def lowest(scores: npt.ArrayLike) -> int:
    """Place of the lowest score; what is no number, as the loss of a pLLM that diverged, comes last."""
    numbers = np.asarray(scores, dtype=np.float64)
    return int(np.argmin(np.where(np.isnan(numbers), np.inf, numbers)))


def best(losses: Mapping[str, float]) -> str:
    """The name of the lowest loss; what is no number comes last."""
    return list(losses)[lowest(list(losses.values()))]


# ---------------------------------------------------------------- what a third party writes


class Policy(ABC):
    """What the cloud does with adapters that users gave, shared by strategies; several work one after another.

    Args:
        keep: pLLMs that the pool may have (`waves.keep`), for policies that limit it; 0: any number.
    """

    screens: ClassVar[bool] = False
    """Whether it judges what was given, rather than what a pool is to have: strategies that average ask it as well."""

    def __init__(self, keep: int = 0) -> None:
        self.keep = keep

    @abstractmethod
    def apply(self, members: Members, cloud: Cloud, given: Contributions) -> Members:
        """What of some members, at first the whole pool and then all that was given, is to be the next version.

        `cloud.pool` is the present version. What is asked of the cloud is booked to it.
        """


class Strategy(ABC):  # noqa: B024  (choose has no body to share, offer does)
    """How a phone gets its start. Subclasses override `choose`, and `offer` where the cloud has to prepare."""

    reads_truth: bool = False
    """True only for references that no real phone could run (oracle)."""
    trains: bool = False
    """Whether it may yield Train. Declared, it is refused at once where nobody trains (`training.cost_only`); one that
    trains without saying so is refused when it does."""
    wraps: ClassVar[tuple[str, ...]] = ()
    """Settings by which a config names other strategies; the class is handed those strategies themselves."""
    not_in_offer: ClassVar[frozenset[str]] = frozenset()
    """Settings that `offer` and `receive` do not read: variants that differ in nothing else share one cached offer."""
    offers_as: ClassVar[type[Strategy] | None] = None
    """A strategy with the very same `offer`, to share its cached one. Counts for this class, not for subclasses."""
    contributes: bool = True
    """Whether its users may give the adapters that they make, for the pool to grow from."""

    @property
    def offering(self) -> Strategy:
        """The strategy whose offer this one's is: itself, or one that it wraps, to share its cached offer."""
        return self

    def publish(self, owner: Owner) -> Mapping[str, object]:
        """Owner's side, once a pLLM, where `offer` reads `cloud.published`: what leaves the owner's phone beside it.

        Arrays, or values as in JSON: the owner uploads them, the cloud has them, and what they tell of the texts is
        told. The work is booked to owners.
        """
        return {}

    def offer(self, cloud: Cloud) -> Offer:
        """Cloud side, once per pool; its cost is booked to the cloud."""
        return Offer(pllms=cloud.pool.ids)

    def receive(self, cloud: Cloud, given: Contributions, policies: Sequence[Policy]) -> Members:
        """Cloud side, after each wave of users: the next version of this strategy's own pool, which `offer` then sees.

        Args:
            cloud: its pool is the version that those users were offered.
            given: what they gave.
            policies: those that the run names, for strategies that do as it says.
        """
        members = Members((*cloud.pool.ids, *given.ids))
        for policy in policies:
            members = policy.apply(members, cloud, given)
        return members

    def choose(self, phone: Phone, offer: Offer) -> Choosing | Choice | Start:
        """Phone side: yield requests, return a start. A strategy that asks nothing may simply return."""
        raise NotImplementedError
