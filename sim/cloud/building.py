"""A config's pool: its missing pLLMs dealt out to nodes, and a copy of it to hand on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from sim.common.cache import folder_digest
from sim.common.errors import UserError
from sim.pool.offers import make_offers
from sim.pool.plan import Group
from sim.serving.resident import Resident
from sim.transport.dispatch import Dispatcher
from sim.transport.nodes import Nodes


def make_pool(resident: Resident, nodes: Nodes, progress: Callable[[str, int, int], None], ends: float) -> Path:
    """Build what is missing of the resident's pool, and open it there. Raises RunFailed, UserError.

    Args:
        progress: called with ("pool", pLLMs that are there, pLLMs needed).
        ends: when (`time.monotonic`) the run ends with an error.
    """
    plan = resident.pool_plan
    missing = plan.missing()
    if missing:
        dispatcher: Dispatcher[Group] = Dispatcher(nodes, resident.orders, resident.config.engine.retries, ends)
        dispatcher.add(missing)
        needed = sum(len(g.names) for g in plan.groups)
        there = needed - sum(len(g.names) for g in missing)
        progress("pool", there, needed)
        for group, name in dispatcher:
            group.keep(resident.store.fetch(name))
            there += len(group.names)
            progress("pool", there, needed)
    resident.pool_folder = plan.assemble()
    return resident.pool_folder


def hand_on(resident: Resident, to: Path) -> Path:
    """Copy the pool to a folder of its name in `to`, with the offers of the config's strategies; returns the copy.

    Raises: UserError where another pool is there: its offers would pass for this one's.
    """
    offers, _ = make_offers(resident, resident.config.strategies, lambda *_: None)
    pool = resident.pool.folder
    copy = to / pool.name
    if copy.resolve() != pool.resolve():
        if copy.is_dir() and folder_digest(copy, without="offers") != folder_digest(pool, without="offers"):
            raise UserError(
                f"--to: {str(copy)!r} holds another pool, or a part of one; remove it or name another folder."
            )
        shutil.copytree(pool, copy, dirs_exist_ok=True)
    for offer in offers.values():
        if not (copy / "offers" / offer.name).is_dir():
            shutil.copytree(offer, copy / "offers" / offer.name)
    return copy
