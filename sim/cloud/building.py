"""A config's pool: its missing pLLMs dealt out to nodes, and a copy of it to hand on."""

from __future__ import annotations

import shutil
from pathlib import Path

from sim.cloud.offers import make_offers
from sim.cloud.provider import Provider
from sim.common.cache import folder_digest
from sim.common.errors import UserError
from sim.pool.plan import Group
from sim.pool.pool import Pool
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
        dispatcher: Dispatcher[Group, str] = Dispatcher(nodes, provider.orders, provider.config.engine.retries, ends)
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
        if copy.is_dir() and folder_digest(copy, without="offers") != folder_digest(pool.folder, without="offers"):
            raise UserError(
                f"--to: {str(copy)!r} holds another pool, or a part of one; remove it or name another folder."
            )
        shutil.copytree(pool.folder, copy, dirs_exist_ok=True)
    for offer in offers.folders.values():
        if not (copy / "offers" / offer.name).is_dir():
            shutil.copytree(offer, copy / "offers" / offer.name)
    return copy
