"""The offers of a run's strategies: found, or made now at the cloud's expense."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.cloud.pools.memory import Memory, Recall
from sim.cloud.pools.owners import Owners
from sim.cloud.provider import Provider
from sim.cloud.view import ShownPool, answering, cloud_view
from sim.common.cache import built, cache_dir, digest, known_digest
from sim.common.sealed import sealed
from sim.experiment.strategies import make_strategy
from sim.pool.offers import OfferCost, offer_cost, offer_folder, save_offer
from sim.pool.pool import OFFERS, Pool
from sim.serving.account import Account
from sim.serving.desk import Desk
from sim.serving.resident import Progress
from strategies.base import Offer, Strategy


@dataclass(frozen=True)
class Offers:
    """The folder of each strategy's offer, and what making it cost, by strategy."""

    folders: Mapping[str, Path]
    costs: Mapping[str, OfferCost]


def make_offers(provider: Provider, pool: Pool, strategies: Iterable[str], progress: Progress) -> Offers:
    """The offers of strategies about a pool, made now where they are not there."""
    resident = provider.resident
    cache = cache_dir() / "offers" / pool_digest(provider, pool)
    made_of = {"llm": resident.lm_digest, "summarizer": resident.summarizer_digest}
    folders: dict[str, Path] = {}
    for name in strategies:
        strategy = make_strategy(name, provider.config)
        folder = folders[name] = offer_folder(pool.folder, cache, strategy, made_of)
        if not folder.is_dir():
            progress(f"offer of {name}", 0, 1)
        make_offer(folder, strategy, provider, pool)
    return Offers(folders, {name: offer_cost(folder) for name, folder in folders.items()})


def make_offer(
    folder: Path,
    strategy: Strategy,
    provider: Provider,
    pool: Pool,
    memory: Memory | None = None,
    chosen: Mapping[str, int] | None = None,
) -> None:
    """Ask a strategy for its offer about a pool and write it, with what it cost, unless it is there.

    About an empty pool nobody is asked: there is nothing to offer.

    Args:
        memory: what the strategy was answered about the versions before this one, where there are any.
        chosen: how many users have started from each pLLM.
    """

    def build(into: Path) -> None:
        account, resident = Account(), provider.resident
        desk = Desk(resident, pool)
        ask = answering(desk, account)
        recall = Recall(memory, ask, lambda name: known_digest(pool.folder / name)) if memory else None
        owners = Owners(provider, desk, strategy, recall)
        view = cloud_view(ShownPool.of(pool, chosen), resident, sealed(recall) if recall else ask, owners.publish)
        offer = strategy.offer(view) if pool.ids else Offer()
        cost = OfferCost(account.work.counts(), owners.account.work.counts(), owners.uploaded)
        save_offer(into, offer, cost, pool)
        if recall:
            recall.save(into)

    built(folder, build)


def pool_digest(provider: Provider, pool: Pool) -> str:
    """What a pool is, and all but settings that offers about it are made of.

    The name of a pool that was built is a hash already; a folder that the config names may be anything.
    """
    if not provider.config.pool.path:
        return pool.folder.name
    content = known_digest(pool.folder, without=OFFERS)
    fingerprint = provider.resident.corpus.fingerprint()
    return digest({"pool": content, "corpus": fingerprint, "seed": provider.config.pool.seed})
