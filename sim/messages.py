"""What cloud and workers say to each other about a cohort: the job, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Job:
    """What one message asks for: these users, one strategy, one share of their texts.

    `targets` are the users' target losses (NaN: from scratch the user failed); empty for the reference from scratch,
    which finds them. `offer` names the strategy's offer (`sim.transport.store`).
    """

    index: int
    strategy: str
    users: tuple[int, ...]
    amount: float = 1.0
    targets: tuple[float, ...] = ()
    offer: str = ""

    @property
    def label(self) -> str:
        first, last = self.users[0], self.users[-1]
        who = f"user {first}" if first == last else f"users {first} to {last}"
        return f"{who}, strategy {self.strategy}, {self.amount:.0%} of the texts"

    @property
    def kind(self) -> tuple[str, float]:
        return self.strategy, self.amount

    @property
    def size(self) -> int:
        return len(self.users)

    def only(self, users: Iterable[int]) -> Job:
        """The same for some of its users."""
        some = set(users)
        kept = tuple(u for u in self.users if u in some)
        targets = tuple(t for u, t in zip(self.users, self.targets, strict=False) if u in some)
        return replace(self, users=kept, targets=targets)

    def order(self) -> dict[str, Any]:
        return {"job": vars(self)}

    def read(self, reply: Any) -> list[Outcome]:
        """The outcomes in a reply, whose JSON knows no tuples."""
        return [Outcome(**{**o, "curve": [(int(s), float(v)) for s, v in o["curve"]]}) for o in reply["outcomes"]]


@dataclass(frozen=True)
class Outcome:
    """What was measured for one user, before anything is priced; or what the user's simulation raised (`failed`).

    Without training the curve is empty.
    """

    user_id: int
    phone: str
    network: Mapping[str, Any]
    styles: Sequence[str]
    texts: int
    start: Mapping[str, float]
    nearest: Sequence[str]
    curve: Sequence[tuple[int, float]]
    steps: int
    train_tokens: int
    evaluated_tokens: int
    wall_s: float
    work: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    explanation: Mapping[str, float] = field(default_factory=dict)
    coordinates: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""
    traceback: str = ""
