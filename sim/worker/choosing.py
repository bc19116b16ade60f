"""A cohort's choices: every phone's strategy is driven, and what many phones ask for is answered in one batch."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sim.experiment.strategies import trains_nobody
from sim.pool.offers import offer_bytes
from sim.serving.account import PhoneAccount
from sim.serving.answer import Answering, answer
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
        answered: answers requests.
    """

    def __init__(
        self,
        name: str,
        strategy: Strategy,
        desk: Desk,
        keep_going: bool,
        trains: bool,
        answered: Answering = answer,
    ) -> None:
        self._name, self._strategy, self._desk, self._answered = name, strategy, desk, answered
        self._keep_going, self._trains = keep_going, trains
        self.failures: dict[int, UserFailed] = {}
        self._running: dict[int, Running] = {}
        self._choices: dict[int, Choice] = {}

    def choices(self, offer: Offer, participants: Mapping[int, Participant]) -> dict[int, Choice]:
        """The choices of the users who did not fail, in the order of `participants`, by user.

        Where there is nothing to choose, the pool and the offer being empty, no strategy is asked: all start from
        scratch.

        Raises: UserError where the strategy trains before it chooses and `training.cost_only` says that nobody trains:
        its steps could not be billed, for it is not known how many measured ones are a billed one.
        """
        size = offer_bytes(offer)
        for user, participant in participants.items():
            participant.account.receive(size)
            if not self._desk.pool.ids and not offer.pllms:
                self._choices[user] = Choice(Start())
                continue
            with self._only(user):
                chosen = self._strategy.choose(participant.view, offer)
                if isinstance(chosen, Generator):
                    self._running[user] = chosen
                else:
                    self._decide(user, participant, chosen)
        replies: dict[int, object] = dict.fromkeys(self._running)
        while self._running:
            asked = self._asked(replies, participants)
            found = self._answered(self._desk, [Asked(r, participants[user].account) for user, r in asked.items()])
            replies = dict(zip(asked, found, strict=True))
        return {user: self._choices[user] for user in participants if user in self._choices}

    def _asked(
        self, replies: Mapping[int, object], participants: Mapping[int, Participant]
    ) -> dict[int, Request[object]]:
        """What each phone asks for next, given the replies to what they asked for last; who is done has decided."""
        asked: dict[int, Request[object]] = {}
        for user, generator in list(self._running.items()):
            with self._only(user):
                try:
                    request = generator.send(replies[user])
                    handler, participant = handler_of(request), participants[user]
                    self._fetch(participant, handler.pllms(request))
                    participant.account.install(handler.files(request))
                    asked[user] = request
                except StopIteration as end:
                    del self._running[user]
                    self._decide(user, participants[user], end.value)
        if not self._trains and any(isinstance(request, Train) for request in asked.values()):
            raise trains_nobody(self._name)
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

    def _decide(self, user: int, participant: Participant, value: object) -> None:
        if isinstance(value, Start):
            value = Choice(value)
        if not isinstance(value, Choice):
            raise TypeError(f"a strategy's choose returned {value!r}; a Start or a Choice is expected")
        self._fetch(participant, value.start.weights)
        self._choices[user] = value

    def _fetch(self, participant: Participant, names: Iterable[str]) -> None:
        """Book what a phone needs; LookupError where there is no such pLLM."""
        needed = tuple(names)
        for name in needed:
            if not self._desk.knows(name):
                raise LookupError(f"a strategy named {name!r}, which is no pLLM of the pool or of its offer")
        participant.account.fetch(needed)
