"""A cohort's choices: every phone's strategy is driven, and what many phones ask for is answered in one batch."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sim.common.errors import UserError
from sim.pool.offers import offer_bytes
from sim.serving.resident import Resident
from sim.worker.failures import UserFailed
from sim.worker.phone import UserPhone
from sim.worker.training import train
from strategies.base import Choice, Download, Offer, Request, Start, Strategy, Train


def choose(
    resident: Resident,
    name: str,
    strategy: Strategy,
    offer: Offer,
    phones: Sequence[UserPhone],
    failures: dict[int, UserFailed],
) -> dict[int, Choice]:
    """Drive every phone's `choose` together: each round answers one request of each phone still choosing.

    Returns choices by user, in the order of the phones. What a user's strategy raises goes to `failures`, or is raised.
    UserError where the strategy (`name` in the config) trains before it chooses and `training.cost_only` says that
    nobody trains: its steps could not be billed, for it is not known how many measured ones are a billed one.
    """
    choices: dict[int, Choice] = {}
    by_user = {phone.user.id: phone for phone in phones}
    size = offer_bytes(offer)
    running: dict[int, Generator[Request, Any, Choice | Start]] = {}

    @contextmanager
    def only(user: int) -> Iterator[None]:
        """What is raised in here is this user's failure."""
        try:
            yield
        except Exception as error:
            running.pop(user, None)
            failures[user] = UserFailed(user, error)
            if not resident.config.engine.keep_going:
                raise failures[user] from error

    def decide(user: int, value: Any) -> None:
        choices[user] = _as_choice(value)
        _check_known(resident, choices[user].start.weights)

    for user, phone in by_user.items():
        phone.work.offer_bytes += size
        with only(user):
            chosen = strategy.choose(phone, offer)
            if isinstance(chosen, Generator):
                running[user] = chosen
            else:
                decide(user, chosen)
    replies: dict[int, Any] = dict.fromkeys(running)
    while running:
        asked: dict[int, Request] = {}
        for user, generator in list(running.items()):
            with only(user):
                try:
                    asked[user] = generator.send(replies[user])
                    _check_known(resident, _used(asked[user]))
                except StopIteration as end:
                    del running[user]
                    decide(user, end.value)
        asked = {user: request for user, request in asked.items() if user in running}
        for user, request in asked.items():
            by_user[user].fetch(_used(request))
        trials = {u: r for u, r in asked.items() if isinstance(r, Train)}
        if trials and resident.config.training.cost_only:
            raise UserError(f"strategies: {name!r} trains before it chooses; with training.cost_only nobody trains.")
        others = {u: r for u, r in asked.items() if u not in trials}
        replies = dict(zip(trials, train(resident, list(trials.values()), [by_user[u] for u in trials]), strict=True))
        answered = resident.answers(list(others.values()), [by_user[u].work for u in others])
        replies |= dict(zip(others, answered, strict=True))
    done = {user: choices[user] for user in by_user if user in choices and user not in failures}
    for user, choice in done.items():
        by_user[user].fetch(choice.start.weights)
    return done


def _check_known(resident: Resident, names: Iterable[str]) -> None:
    for name in names:
        if name not in resident.pool.cards and name not in resident.answers.own:
            raise LookupError(f"a strategy named {name!r}, which is no pLLM of the pool or of its offer")


def _used(request: Request) -> Iterable[str]:
    """The pLLMs that a request needs on the phone."""
    if isinstance(request, Download):
        return [request.pllm]
    start = getattr(request, "start", None)
    return start.weights if isinstance(start, Start) else ()


def _as_choice(value: Any) -> Choice:
    if isinstance(value, Start):
        return Choice(value)
    if not isinstance(value, Choice):
        raise TypeError(f"a strategy's choose returned {value!r}; a Start or a Choice is expected")
    return value
