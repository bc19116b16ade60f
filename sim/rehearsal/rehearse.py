"""A rehearsal: each hook of a strategy is called, in a world that is no run's."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from sim.cloud.preparation import Preparation
from sim.cloud.view import PROBES
from sim.common.cache import built, cache_dir
from sim.experiment.strategies import make_strategy
from sim.pool.contributed import pllm_of
from sim.pool.offers import OfferCost, load_offer, offer_adapters, offer_folder, save_offer
from sim.rehearsal.fault import Fault, fault_of
from sim.rehearsal.few import Answers, Enough
from sim.rehearsal.watched import Noted, Watched
from sim.rehearsal.world import Sizes, World
from sim.serving.desk import Desk
from sim.worker.choosing import Driver, Participant
from sim.worker.failures import UserFailed
from strategies.base import Choice, Offer, Request

MOST_TEXTS = 256
"""Texts of a phone, of which requests are answered for few."""
FIRST = 16
"""pLLMs of a pool that begins empty and grows."""


@dataclass
class Seen:
    """What a strategy did: the requests in its offer, the offer, the phones and their choices by user, or its fault.

    `stopped`: time was over before the end.
    """

    asked: list[Request[object]] = field(default_factory=list)
    offer: Offer | None = None
    phones: Mapping[int, Participant] = field(default_factory=dict)
    choices: Mapping[int, Choice] = field(default_factory=dict)
    fault: Fault | None = None
    stopped: bool = False


def rehearse(name: str, world: World, sizes: Sizes, seconds: float, noted: Noted = lambda *_: None) -> Seen:
    """Call all hooks of a strategy, as a new instance, with so many seconds for the cloud and as many for phones.

    Args:
        noted: told every request of a phone before it is answered, and who makes it.
    """
    strategy, pool, seen = make_strategy(name, world.config), world.pool(sizes.pllms), Seen()
    watched, hook = Watched(strategy, noted), "offer"
    seen.phones = world.phones(strategy, pool, sizes.texts)
    with undisturbed():
        try:
            key = offer_folder(pool.folder, cache_dir() / "offers", strategy, {}).name, len(sizes.pllms)
            if key not in world.offers:
                desk, answers = Desk(world.resident, pool), Answers(seconds, seen.asked.append)
                offer = strategy.offer(world.cloud(strategy, desk, pool, sizes.probes, answers))
                write = partial(save_offer, offer=offer, cost=OfferCost({}), pool=pool)
                world.offers[key] = built(world.new_folder() / "offer", write)
            folder, hook = world.offers[key], "choose"
            seen.offer = load_offer(folder)
            desk = Desk(world.resident, pool, offer_adapters(folder, world.resident.lanes.layout))
            trains = not world.config.training.cost_only
            seen.choices = Driver(name, watched, desk, False, trains, Answers(seconds)).choices(seen.offer, seen.phones)
        except Enough:
            seen.stopped = True
        except UserFailed as failure:
            seen.fault = fault_of(name, strategy, failure.__cause__ or failure, hook, watched.at)
        except (Exception, SystemExit) as error:
            seen.fault = fault_of(name, strategy, error, hook, watched.at)
    return seen


def fault_in(name: str, world: World, sizes: Sizes, seconds: float) -> Fault | None:
    """What goes wrong in a small world, and in one of full size as well: of too few pLLMs or texts nobody is accused.

    Where time is over before that is known, it is not sure.
    """
    fault = rehearse(name, world, sizes.small, seconds).fault
    if fault is None or sizes.small == sizes:
        return fault
    again = rehearse(name, world, sizes, seconds)
    if again.fault is None:
        return replace(fault, sure=False) if again.stopped else None
    return replace(again.fault, sure=fault.sure and again.fault.sure)


def sizes_of(preparation: Preparation) -> Sizes:
    """The sizes of a run: its pLLMs by their ids, a phone with all texts and one with the fewest that a phone has."""
    config = preparation.config
    ids = preparation.pool_plan("").ids
    if not ids and config.waves.count > 1:  # what it will do when the first users have contributed
        ids = tuple(map(pllm_of, range(min(FIRST, config.population.users))))
    texts = min(config.population.texts, MOST_TEXTS)
    amounts = config.ladder.amounts if config.ladder.users else ()
    fewest = max(1, round(min(amounts, default=1.0) * texts))
    return Sizes(ids, (texts, fewest), min(PROBES, preparation.corpus.available(preparation.corpus.default, "pool")))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Puts the global random generators back: what a strategy draws from them is not missing from a run."""
    python, legacy, of_torch = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        torch.set_rng_state(of_torch)
