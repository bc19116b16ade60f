"""The phones of the pool's owners: what they publish beside their pLLMs, at their own expense."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

from sim.cloud.pools.memory import Recall
from sim.cloud.provider import Provider
from sim.cloud.view import Answered, answering, unwrapped
from sim.common.errors import UserError
from sim.common.sealed import sealed
from sim.pool.build import written
from sim.pool.contributed import user_of
from sim.pool.offers import payload_bytes
from sim.population.attacks import published_texts
from sim.population.users import draw_user
from sim.serving.account import Account
from sim.serving.desk import Desk
from strategies.base import Request, Strategy, Text

T = TypeVar("T")


@dataclass(frozen=True)
class OwnerView:
    """What implements `strategies.base.Owner`: plain values, and one sealed function that answers requests."""

    texts: Sequence[Text]
    answered: Callable[[Request[object]], Answered]

    def ask(self, request: Request[T]) -> T:
        return cast(T, unwrapped(self.answered(request)))


class Owners:
    """All owners of a pool's pLLMs. They have no phones in a run: work is counted and not timed, downloads are not."""

    def __init__(self, provider: Provider, desk: Desk, strategy: Strategy, recall: Recall | None = None) -> None:
        """Args: recall: knows what was published before; None: nothing was."""
        self._provider, self._desk, self._strategy, self._recall = provider, desk, strategy, recall
        self.account, self.uploaded, self._done = Account(), 0, False

    def publish(self) -> Mapping[str, Mapping[str, object]]:
        """What each publishes, by pLLM. Raises UserError where it is not known what owners wrote."""
        found: dict[str, Mapping[str, object]] = {}
        for name in self._desk.pool.ids:
            published = partial(self._published, name)
            found[name] = self._recall.published(name, published) if self._recall else published()
        self._done = True
        return found

    def _published(self, name: str) -> Mapping[str, object]:
        """What the owner of a pLLM publishes, who does it now."""
        said = self._strategy.offering.publish(OwnerView(tuple(self._texts(name)), sealed(self._answer)))
        self.uploaded += payload_bytes(said)
        return said

    def _texts(self, name: str) -> Sequence[Text]:
        """All that the owner of a pLLM wrote: who is made up for a pool, or a user who contributed it."""
        config, corpus, plan = self._provider.config, self._provider.resident.corpus, self._provider.pool_plan
        if (owner := plan.owners(corpus).get(name)) is not None:
            return written(*owner, config, corpus)[0]
        if (user := user_of(name)) is not None and config.waves.count > 1 and not plan.given:
            styles = self._provider.preparation.user_styles
            return published_texts(config, corpus, styles, draw_user(config, corpus, styles, user))
        if plan.given:
            raise nothing_published(self._strategy)
        why = f"{name!r} has none, for the cloud made it; leave out 'merge' in waves.policies"
        raise nothing_published(self._strategy, why)

    def _answer(self, request: Request[object]) -> Answered:
        """As long as owners publish; what is asked of one later would be the cloud's work, at the owner's expense."""
        if self._done:
            return None, PermissionError("an owner answers while it publishes, and not afterwards")
        return answering(self._desk, self.account)(request)


GIVEN = "what they wrote is not known of the pool that pool.path names; leave out one of the two"


def nothing_published(strategy: Strategy, why: str = GIVEN) -> UserError:
    """The error for a strategy that reads what owners publish, of pLLMs whose owners are not known."""
    return UserError(f"strategies: {type(strategy.offering).__name__} needs what owners of pLLMs publish, and {why}.")
