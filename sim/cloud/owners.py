"""The phones of the pool's owners: what they publish beside their pLLMs, at their own expense."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from sim.cloud.provider import Provider
from sim.common.errors import UserError
from sim.common.sealed import sealed
from sim.pool.build import written
from sim.pool.offers import payload_bytes
from sim.serving.account import Account
from sim.serving.answer import answer
from sim.serving.desk import Desk
from sim.serving.requests import Asked
from strategies.base import Request, Strategy, Text

T = TypeVar("T")


@dataclass(frozen=True)
class OwnerView:
    """What implements `strategies.base.Owner`: plain values, and one sealed function that answers requests."""

    texts: Sequence[Text]
    answered: Callable[[Request[object]], object]

    def ask(self, request: Request[T]) -> T:
        return cast(T, self.answered(request))


class Owners:
    """All owners of a pool's pLLMs. They have no phones of their own in a run: their work is counted, not timed."""

    def __init__(self, provider: Provider, desk: Desk, strategy: Strategy) -> None:
        self._provider, self._desk, self._strategy = provider, desk, strategy
        self.account, self.uploaded = Account(), 0

    def publish(self) -> Mapping[str, Mapping[str, object]]:
        """What each publishes, by pLLM. Raises UserError where it is not known what owners wrote."""
        resident, plan = self._provider.resident, self._provider.pool_plan
        if plan.given:
            raise UserError(
                f"strategies: {type(self._strategy).__name__} needs what owners of pLLMs publish, and what they wrote "
                "is not known of the pool that pool.path names; leave out one of the two."
            )

        def answered(request: Request[object]) -> object:
            return answer(self._desk, [Asked(request, self.account)])[0]

        found: dict[str, Mapping[str, object]] = {}
        for name, (style, key) in plan.owners(resident.corpus).items():
            texts, _ = written(style, key, self._provider.config, resident.corpus)
            found[name] = self._strategy.offering.publish(OwnerView(tuple(texts), sealed(answered)))
            self.uploaded += payload_bytes(found[name])
        return found
