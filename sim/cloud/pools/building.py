"""A config's pool: its missing pLLMs dealt out to nodes, and a copy of it to hand on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sim.cloud.pools.offers import make_offers
from sim.cloud.provider import Provider
from sim.common.cache import built, known_digest
from sim.common.errors import UserError
from sim.pool.plan import Group
from sim.pool.pool import OFFERS, Pool
from sim.serving.resident import Progress
from sim.transport.dispatch import Dispatcher
from sim.transport.nodes import Nodes


def make_pool(provider: Provider, nodes: Nodes, progress: Progress, ends: float) -> Pool:
    """The provider's pool, of which what is missing is built first. Raises RunFailed, UserError.

    Args:
        progress: called with ("pool", pLLMs that are there, pLLMs needed).
        ends: when (`time.monotonic`) the run ends with an error.
    """
    plan = provider.pool_plan
    missing = plan.missing()
    if missing:
        engine = provider.config.engine
        dispatcher: Dispatcher[Group, str] = Dispatcher(
            nodes, provider.orders, engine.retries, ends, engine.job_deadline_s
        )
        dispatcher.add(missing)
        needed = sum(len(g.names) for g in plan.groups)
        there = needed - sum(len(g.names) for g in missing)
        progress("pool", there, needed)
        for group, name in dispatcher:
            group.keep(provider.store.fetch(name))
            there += len(group.names)
            progress("pool", there, needed)
    pool = provider.resident.open_pool(plan.assemble())
    pool.check(provider.resident.lanes.layout)
    return pool


def hand_on(provider: Provider, pool: Pool, to: Path) -> Path:
    """Copy the pool to a folder of its name in `to`, with the offers of the config's strategies; returns the copy.

    Raises: UserError where another pool is there: its offers would pass for this one's.
    """
    offers = make_offers(provider, pool, provider.config.strategies, lambda *_: None)
    copy = to / pool.folder.name
    if copy.resolve() != pool.folder.resolve():
        if os.path.lexists(copy) and known_digest(copy, OFFERS) != known_digest(pool.folder, OFFERS):
            raise UserError(
                f"--to: {str(copy)!r} holds another pool, or a part of one; remove it or name another folder."
            )
        _copied(pool.folder, copy, OFFERS)
    for offer in offers.folders.values():
        _copied(offer, copy / OFFERS / offer.name)
    return copy


def _copied(source: Path, to: Path, without: str = "") -> None:
    """Copy a folder that is not there yet, whole or not at all."""

    def copy(into: Path) -> None:
        shutil.copytree(source, into, dirs_exist_ok=True)

    if source.resolve() != to.resolve():
        built(to, copy, without)
