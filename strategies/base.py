"""The interface between a strategy and the simulator: what a phone may ask for, and what it gets.

A strategy is written for one phone. It touches models and data only by yielding requests, so nothing can
be used without being metered, and requests of the same kind from many phones are answered in one batch.
Nothing in here knows how requests are answered.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

Which = Literal["base", "summarizer"]
"""Which resident LLM a request is for: the one being personalised, or the one that judges styles."""


@dataclass(frozen=True)
class Text:
    """One thing a user wrote or wants written: a prompt and its answer in the user's style."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Start:
    """Where fine-tuning begins: weights over pLLMs; empty means from scratch.

    Several weights mean XPerT's merge, theta_base + sum_i a_i (theta_i - theta_base), done exactly.
    """

    weights: Mapping[str, float] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.weights.items())))

    @property
    def best(self) -> str:
        """The pLLM with the largest weight, or "" from scratch."""
        return max(self.weights, key=self.weights.__getitem__) if self.weights else ""


@dataclass(frozen=True)
class Offer:
    """What the cloud hands to every phone before it chooses.

    `payload` is data the phone downloads with the offer (arrays count by their size in bytes, anything else as
    JSON); `pllms` are the ids it may start from. Neither holds any model: a phone asks for those by Download.
    `adapters` are adapters that the cloud made itself, by name, as PEFT's tensors of the pool's rank and targets. A
    phone uses them by name as it uses pLLMs, and pays as much for them; it is handed the offer without the tensors.
    """

    pllms: tuple[str, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)
    explanations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Words by pLLM, for the records only; the phone gets what it needs in `payload`."""
    coordinates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By pLLM and word, as in a choice, and for the records only as well."""
    adapters: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)


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


def lowest(scores: Sequence[float] | np.ndarray) -> int:
    """Place of the lowest score; what is no number, as the loss of a pLLM that diverged, comes last."""
    numbers = np.asarray(scores, dtype=np.float64)
    return int(np.argmin(np.where(np.isnan(numbers), np.inf, numbers)))


# ---------------------------------------------------------------- requests


@dataclass(frozen=True)
class Download:
    """Fetch a pLLM to the phone (as the pool ships it: adapter or whole model). Reply: None.

    It stays there: the second time is free. A pLLM that a phone uses without having fetched it is billed all the same.
    """

    pllm: str


@dataclass(frozen=True)
class Evaluate:
    """Mean loss per answer token (nats) of base + start on texts. Reply: float."""

    start: Start
    texts: Sequence[Text]


@dataclass(frozen=True)
class Train:
    """Fine-tune from a start on texts for some steps, as the run fine-tunes, and keep the result. Reply: Trained.

    A part of a step is a step at that part of the learning rate, and billed as that part: a step of the LLM that is
    really trained stands for many of the deployed one, which a phone could try one by one. Phones only. The optimiser's
    moments are not kept: training on is a new Train from what came back.
    """

    start: Start
    texts: Sequence[Text]
    steps: float


@dataclass(frozen=True)
class Trained:
    """The reply to Train: what the phone now has, and its mean loss per answer token on the texts it was trained on.

    `start` is good for further requests and as the final start; it never has to be downloaded. The loss is one more
    pass over the texts after the last step, and billed as such.
    """

    start: Start
    loss: float


@dataclass(frozen=True)
class Generate:
    """Answers to prompts by base + start, or by the summarizer. Reply: list[str].

    Greedy; a `temperature` above 0 samples, the same answers for the same request.
    """

    prompts: Sequence[str]
    start: Start = Start()
    llm: Which = "base"
    max_new_tokens: int = 64
    temperature: float = 0.0


@dataclass(frozen=True)
class Embed:
    """Hidden state before the output layer where the reply to each prompt would begin.

    Reply: float32 array (prompts, width of the LLM).
    """

    prompts: Sequence[str]
    llm: Which = "summarizer"


@dataclass(frozen=True)
class NextWords:
    """The words that an LLM would most probably begin its replies with, over all prompts together.

    Reply: list of (word, mean probability), best first, at most `count`.
    """

    prompts: Sequence[str]
    count: int
    llm: Which = "summarizer"


Request = Download | Evaluate | Train | Generate | Embed | NextWords
Choosing = Generator[Request, Any, Choice | Start]


# ---------------------------------------------------------------- the two sides, as a strategy sees them


class Phone(Protocol):
    """A user's phone: its own texts and its own random stream, nothing else."""

    @property
    def texts(self) -> Sequence[Text]:
        """The user's own texts, as many as this run lets the phone have."""
        ...

    def rng(self, purpose: str) -> np.random.Generator:
        """The user's random stream for a purpose: the same for any order of users and number of workers."""
        ...

    @property
    def nearest(self) -> Sequence[str]:
        """The truly closest pLLMs. Raises PermissionError unless the strategy declares `reads_truth`."""
        ...


class PoolView(Protocol):
    """The pool as the cloud shows it to a strategy."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    @property
    def folder(self) -> Path:
        """Where the pool lies: for each pLLM a plain PEFT adapter folder, named by its id, with a `card.json`."""
        ...


class Cloud(Protocol):
    """The provider of the pool. `ask` answers a request at once and books it to the cloud, not to a phone."""

    @property
    def pool(self) -> PoolView: ...

    @property
    def probes(self) -> Sequence[str]:
        """Prompts that belong to no user, for probing pLLMs."""
        ...

    def ask(self, request: Request) -> Any: ...

    def rng(self, purpose: str) -> np.random.Generator: ...


class Strategy(ABC):  # noqa: B024  (choose has no body to share, offer does)
    """How a phone gets its start. Subclasses override `choose`, and `offer` where the cloud has to prepare."""

    reads_truth: ClassVar[bool] = False
    """True only for references that no real phone could run (oracle)."""
    on_phone: ClassVar[frozenset[str]] = frozenset()
    """Settings that `offer` does not read: variants that differ in nothing else share one cached offer."""
    offers_as: ClassVar[type[Strategy] | None] = None
    """A strategy with the very same `offer`, to share its cached one. Counts for this class, not for subclasses."""

    def offer(self, cloud: Cloud) -> Offer:
        """Cloud side, once per pool; its cost is booked to the cloud."""
        return Offer(pllms=cloud.pool.ids)

    def choose(self, phone: Phone, offer: Offer) -> Choosing | Choice | Start:
        """Phone side: yield requests, return a start. A strategy that asks nothing may simply return."""
        raise NotImplementedError
