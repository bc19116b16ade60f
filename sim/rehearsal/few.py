"""Requests answered for the first few of their texts: in a rehearsal a reply only has to be of the right kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from sim.serving.answer import answer
from sim.serving.desk import Desk
from sim.serving.requests import Asked
from strategies.base import Embed, Encode, Evaluate, Generate, NextWords, Request, States, Train

FEW, TOKENS, WORDS, STEPS = 2, 4, 2, 1.0
"""Texts that are read, tokens and words that are written, steps that are trained."""
T = TypeVar("T")
Asks = Asked[Request[object]]


class Enough(BaseException):
    """The time of a rehearsal is over. No Exception: what a strategy catches is its own affair."""


class Answers:
    """Answers requests of a rehearsal by their real handlers, until its time is over.

    Args:
        seconds: as many, of the processor: a busy machine rehearses as much as an idle one.
        noted: told every request before it is answered.
    """

    def __init__(self, seconds: float, noted: Callable[[Request[object]], object] = lambda _: None) -> None:
        self._noted, self._ends = noted, time.process_time() + seconds

    def __call__(self, desk: Desk, asked: Sequence[Asks]) -> list[object]:
        """The replies, as `sim.serving.answer` has them. Raises Enough."""
        if time.process_time() > self._ends:
            raise Enough
        for one in asked:
            self._noted(one.request)
        shortened = [_short(one.request) for one in asked]
        replies = answer(desk, [Asked(some, one.account) for (some, _), one in zip(shortened, asked, strict=True)])
        return [whole(reply) for (_, whole), reply in zip(shortened, replies, strict=True)]


def _short(request: Any) -> tuple[Request[object], Callable[[Any], object]]:
    """A request that is done sooner, and what makes its reply one to the whole request."""
    kind = type(request)  # a subclass is somebody else's, and may mean something else
    if kind is Evaluate:
        return replace(request, texts=_few(request.texts)), _same
    if kind is Train:
        return replace(request, texts=_few(request.texts), steps=min(request.steps, STEPS)), _same
    if kind is Generate:
        some = replace(request, prompts=_few(request.prompts), max_new_tokens=min(request.max_new_tokens, TOKENS))
        return some, lambda reply: _dealt(reply, len(request.prompts))
    if kind is NextWords:
        return replace(request, prompts=_few(request.prompts), count=min(request.count, WORDS)), _same
    if kind is Embed:
        return replace(request, prompts=_few(request.prompts)), lambda rows: _repeated(rows, len(request.prompts))
    if kind is States or kind is Encode:
        return replace(request, strings=_few(request.strings)), lambda rows: _repeated(rows, len(request.strings))
    return request, _same


def _same(reply: object) -> object:
    return reply


def _few(items: Sequence[T]) -> list[T]:
    return list(islice(items, FEW))


def _dealt(items: Sequence[T], count: int) -> list[T]:
    return [items[i % len(items)] for i in range(count)] if items else []


def _repeated(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[np.arange(count) % len(rows)] if count else rows
