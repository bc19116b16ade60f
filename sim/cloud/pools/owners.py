"""The phones of the pool's owners: what they publish beside their pLLMs, at their own expense."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from sim.cloud.provider import Provider
from sim.cloud.view import Answered, answering, unwrapped
from sim.common.errors import UserError
from sim.common.sealed import sealed
from sim.pool.build import written
from sim.pool.offers import payload_bytes
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

    def __init__(self, provider: Provider, desk: Desk, strategy: Strategy) -> None:
        self._provider, self._desk, self._strategy = provider, desk, strategy
        self.account, self.uploaded, self._done = Account(), 0, False

    def publish(self) -> Mapping[str, Mapping[str, object]]:
        """What each publishes, by pLLM. Raises UserError where it is not known what owners wrote."""
        resident, plan = self._provider.resident, self._provider.pool_plan
        if plan.given:
            name = type(self._strategy.offering).__name__
            raise UserError(
                f"strategies: {name} needs what owners of pLLMs publish, and what they wrote is not known of the pool "
                "that pool.path names; leave out one of the two."
            )
        owners = plan.owners(resident.corpus)
        if not set(self._desk.pool.ids) <= set(owners):
            raise UserError(
                f"strategies: {type(self._strategy.offering).__name__} needs what owners of pLLMs publish, and users "
                "who contribute a pLLM publish nothing beside it; leave it out where waves.count > 1."
            )
        found: dict[str, Mapping[str, object]] = {}
        for name, (style, key) in owners.items():
            texts, _ = written(style, key, self._provider.config, resident.corpus)
            found[name] = self._strategy.offering.publish(OwnerView(tuple(texts), sealed(self._answer)))
            self.uploaded += payload_bytes(found[name])
        self._done = True
        return found

    def _answer(self, request: Request[object]) -> Answered:
        """As long as owners publish; what is asked of one later would be the cloud's work, at the owner's expense."""
        if self._done:
            return None, PermissionError("an owner answers while it publishes, and not afterwards")
        return answering(self._desk, self.account)(request)
