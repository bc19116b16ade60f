"""Requests in, replies out: the only way from a strategy to a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from sim.serving.desk import Desk
from sim.serving.requests import Asked, handler_of, handlers
from strategies.base import Request

Answering = Callable[[Desk, Sequence[Asked[Request[object]]]], list[object]]
"""What answers requests: `answer`, or what does the same for a rehearsal (`sim.rehearsal`)."""


def answer(desk: Desk, asked: Sequence[Asked[Request[object]]]) -> list[object]:
    """The replies to requests, in their order, each booked to its account. Requests of one kind share batches."""
    replies: list[object] = [None] * len(asked)
    by_kind: dict[str, list[int]] = defaultdict(list)
    for i, one in enumerate(asked):
        by_kind[handler_of(one.request).kind].append(i)
    for kind, places in by_kind.items():
        some = handlers()[kind].answer(desk, [asked[i] for i in places])
        for i, reply in zip(places, some, strict=True):
            replies[i] = reply
    return replies
