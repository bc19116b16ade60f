"""What cloud and workers say to each other about a cohort: the job, and what was measured.

A leaf that all may import.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

Json = Mapping[str, Any]
"""A JSON object as it comes off the wire."""
Counts = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Work that was counted, as JSON: figures by kind of request, then by LLM (`sim.ledger.work`)."""


@dataclass(frozen=True)
class Job:
    """What one message asks for: these users, one strategy, one share of their texts.

    `targets` are the users' target losses (NaN: from scratch the user failed); empty for the reference from scratch,
    which finds them. `offer` names the strategy's offer (`sim.transport.store`), `pool` the version of the pool that it
    is about; "": that of the whole run. `wave` is the users'.
    """

    index: int
    strategy: str
    users: tuple[int, ...]
    amount: float = 1.0
    targets: tuple[float, ...] = ()
    offer: str = ""
    pool: str = ""
    wave: int = 0

    @property
    def label(self) -> str:
        """What it is, for messages."""
        first, last = self.users[0], self.users[-1]
        who = f"user {first}" if first == last else f"users {first} to {last}"
        return f"{who}, strategy {self.strategy}, {self.amount:.0%} of the texts"

    @property
    def kind(self) -> tuple[str, float]:
        """Jobs of a kind take about as long, for each user."""
        return self.strategy, self.amount

    @property
    def size(self) -> int:
        return len(self.users)

    @property
    def table(self) -> str:
        """The table that its users' rows go to: those with a part of their texts stand on the ladder."""
        return "users" if self.amount == 1.0 else "ladder"

    @property
    def lost(self) -> list[int]:
        """The users who have no target, for from scratch they failed."""
        return [user for user, target in zip(self.users, self.targets, strict=False) if math.isnan(target)]

    def only(self, users: Iterable[int]) -> Job:
        """The same for some of its users."""
        some = set(users)
        kept = tuple(u for u in self.users if u in some)
        targets = tuple(t for u, t in zip(self.users, self.targets, strict=False) if u in some)
        return replace(self, users=kept, targets=targets)

    def order(self) -> dict[str, object]:
        """What a worker is sent of it."""
        return {"job": vars(self)}

    @classmethod
    def of(cls, json: Json) -> Job:
        """A job from plain values, which know no tuples."""
        return cls(**{**json, "users": tuple(json["users"]), "targets": tuple(json["targets"])})

    def read(self, reply: Json) -> list[Outcome]:
        """The outcomes in a worker's reply."""
        return [Outcome.of(outcome) for outcome in reply["outcomes"]]


@dataclass(frozen=True)
class Connection:
    """A user's network: "wifi", "4g" or "5g"; Mbit/s down and up; milliseconds of a request."""

    access: str
    down_mbps: float
    up_mbps: float
    latency_ms: float


@dataclass(frozen=True)
class Outcome:
    """What was measured for one user, before anything is priced; or what the user's simulation raised (`failed`).

    `work` counts what choosing took. `curve` has held-out losses by step; without training it is empty. `kept_step` is
    that of the lowest `validation_loss`; None: the user has too few texts to set any aside. `taught` is of all of the
    user's styles. `overlap` has scores of the answers that the kept adapter writes, where these were asked for.
    `contributed` names the adapter that the user gave to the cloud (`sim.transport.store`); "": none. `attacker`: see
    `sim.population.attacks`; `poisoned`: columns that say what attackers did to the user, where there are any.
    """

    user_id: int
    phone: str
    network: Connection
    styles: Sequence[str]
    texts: int
    start: Mapping[str, float]
    nearest: Sequence[str]
    curve: Sequence[tuple[int, float]]
    steps: int
    train_tokens: int
    evaluated_tokens: int
    wall_s: float
    work: Counts = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    explanation: Mapping[str, float] = field(default_factory=dict)
    coordinates: Mapping[str, float] = field(default_factory=dict)
    evaluated_texts: int = 0
    kept_step: int = 0
    validation_loss: float | None = None
    taught: bool | None = None
    overlap: Mapping[str, float] = field(default_factory=dict)
    contributed: str = ""
    attacker: bool = False
    poisoned: Mapping[str, float | None] = field(default_factory=dict)
    failed: str = ""
    traceback: str = ""

    def json(self) -> dict[str, object]:
        """The same as plain values."""
        return {**vars(self), "network": asdict(self.network)}

    @classmethod
    def of(cls, json: Json) -> Outcome:
        """An outcome from plain values, which know no tuples."""
        curve = [(int(step), float(loss)) for step, loss in json["curve"]]
        return cls(**{**json, "network": Connection(**json["network"]), "curve": curve})
