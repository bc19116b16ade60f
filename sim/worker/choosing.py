"""A cohort's choices: every phone's strategy is driven, and what many phones ask for is answered in one batch."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sim.common.errors import UserError
from sim.pool.offers import offer_bytes
from sim.serving.account import PhoneAccount
from sim.serving.answer import answer
from sim.serving.desk import Desk
from sim.serving.requests import Asked, handler_of
from sim.worker.failures import UserFailed
from sim.worker.phone import PhoneView
from strategies.base import Choice, Offer, Request, Start, Strategy, Train

Running = Generator[Request[object], object, "Choice | Start"]


@dataclass(frozen=True)
class Participant:
    """A user of a cohort: what the strategy sees of the phone, and the account that its requests are booked to."""

    view: PhoneView
    account: PhoneAccount


class Driver:
    """Drives one strategy's `choose` on many phones together: each round answers one request of each phone.

    Args:
        name: the strategy's name in the config.
        keep_going: whether what a user's strategy raises is noted in `failures`, rather than raised as UserFailed.
        trains: whether phones may train before they choose.
    """

    def __init__(self, name: str, strategy: Strategy, desk: Desk, keep_going: bool, trains: bool) -> None:
        self._name, self._strategy, self._desk = name, strategy, desk
        self._keep_going, self._trains = keep_going, trains
        self.failures: dict[int, UserFailed] = {}
        self._running: dict[int, Running] = {}
        self._choices: dict[int, Choice] = {}

    def choices(self, offer: Offer, participants: Mapping[int, Participant]) -> dict[int, Choice]:
        """The choices of the users who did not fail, in the order of `participants`, by user.

        Raises: UserError where the strategy trains before it chooses and `training.cost_only` says that nobody trains:
        its steps could not be billed, for it is not known how many measured ones are a billed one.
        """
        size = offer_bytes(offer)
        for user, participant in participants.items():
            participant.account.receive(size)
            with self._only(user):
                chosen = self._strategy.choose(participant.view, offer)
                if isinstance(chosen, Generator):
                    self._running[user] = chosen
                else:
                    self._decide(user, chosen)
        replies: dict[int, object] = dict.fromkeys(self._running)
        while self._running:
            asked = self._asked(replies)
            for user, request in asked.items():
                participants[user].account.fetch(handler_of(request).pllms(request))
            answered = answer(
                self._desk, [Asked(request, participants[user].account) for user, request in asked.items()]
            )
            replies = dict(zip(asked, answered, strict=True))
        done = {u: self._choices[u] for u in participants if u in self._choices and u not in self.failures}
        for user, choice in done.items():
            participants[user].account.fetch(choice.start.weights)
        return done

    def _asked(self, replies: Mapping[int, object]) -> dict[int, Request[object]]:
        """What each phone asks for next, given the replies to what they asked for last; who is done has decided."""
        asked: dict[int, Request[object]] = {}
        for user, generator in list(self._running.items()):
            with self._only(user):
                try:
                    request = generator.send(replies[user])
                    self._check_known(handler_of(request).pllms(request))
                    asked[user] = request
                except StopIteration as end:
                    del self._running[user]
                    self._decide(user, end.value)
        if not self._trains and any(isinstance(request, Train) for request in asked.values()):
            raise UserError(
                f"strategies: {self._name!r} trains before it chooses; with training.cost_only nobody trains."
            )
        return asked

    @contextmanager
    def _only(self, user: int) -> Iterator[None]:
        """What is raised in here is this user's failure."""
        try:
            yield
        except Exception as error:
            self._running.pop(user, None)
            self.failures[user] = UserFailed(user, error)
            if not self._keep_going:
                raise self.failures[user] from error

    def _decide(self, user: int, value: object) -> None:
        if isinstance(value, Start):
            value = Choice(value)
        if not isinstance(value, Choice):
            raise TypeError(f"a strategy's choose returned {value!r}; a Start or a Choice is expected")
        self._choices[user] = value
        self._check_known(value.start.weights)

    def _check_known(self, names: Iterable[str]) -> None:
        for name in names:
            if not self._desk.knows(name):
                raise LookupError(f"a strategy named {name!r}, which is no pLLM of the pool or of its offer")


def lost(users: Sequence[int], targets: Sequence[float]) -> list[int]:
    """The users without a target loss: from scratch they failed."""
    return [user for user, target in zip(users, targets, strict=False) if target != target]
