"""One strategy's line of pools: version after version, each grown from what its own users gave."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sim.cloud.pools.memory import Memory, Recall
from sim.cloud.pools.offers import make_offer
from sim.cloud.provider import Provider
from sim.cloud.view import ShownContributions, ShownPool, answering, cloud_view
from sim.common.cache import built, cache_dir, digest, known_digest
from sim.common.disk import write_whole
from sim.common.sealed import sealed
from sim.experiment.policies import make_policies
from sim.experiment.strategies import make_strategy
from sim.ledger.work import Work
from sim.llm.adapters import kind_of
from sim.messages import Counts
from sim.pool.contributed import kept, pllm_of
from sim.pool.offers import OfferCost, foreign_code, identity_of, offer_cost
from sim.pool.pool import Pool, card_of
from sim.pool.versions import POOL, write_version
from sim.population.attacks import attack_of
from sim.population.users import attacks
from sim.serving.account import Account
from sim.serving.desk import Desk
from strategies.base import Start

VERSION = 2
"""Part of the hash of versions: bump it when they come out differently for equal contributions."""
COST = "cost.json"


@dataclass(frozen=True)
class Given:
    """What the cloud has got by the end of a wave and not before, by user.

    `names` of contributions (`sim.pool.contributed`), their `origins` (the pLLM that most of the start was, "" from
    scratch) and how many versions were made meanwhile (`late`); and the `starts` of all of that wave's users.
    """

    names: Mapping[int, str]
    origins: Mapping[int, str]
    starts: Mapping[int, str]
    late: Mapping[int, int]


@dataclass(frozen=True)
class Version:
    """A version of a pool: what it is called by its content, its offer's folder, and what both cost the cloud.

    `contributed` adapters came in since the version before, `by_attackers` of them from attackers; on average `late`
    versions were made while they were made. `joined` of its pLLMs the version before did not have.
    """

    pool: Pool
    name: str
    offer: Path
    cost: OfferCost
    contributed: int = 0
    joined: int = 0
    by_attackers: int = 0
    late: float | None = None


class Line:
    """A strategy's pool, as it is now.

    Everything that is made lies in the cache under a hash of all that it was made of, which the versions before are
    part of. So an interrupted run finds each version again, or makes the same one, and books the same work.
    """

    def __init__(self, name: str, provider: Provider, pool: Pool) -> None:
        self._provider = provider
        self._strategy = make_strategy(name, provider.config)
        self._memory, self._chosen = Memory(), Counter[str]()
        self.version = replace(self._offered(pool, {}), joined=len(pool.ids))

    @property
    def grows(self) -> bool:
        return self._strategy.contributes

    def receive(self, given: Given) -> None:
        """Make the next version of what a wave of users gave."""
        self._chosen.update(filter(None, given.starts.values()))
        pool = self.version.pool
        config, resident, memory = self._provider.config, self._provider.resident, self._memory
        policies = make_policies(config)
        folder = self._folder(
            "versions",
            pool=known_digest(pool.folder),
            given=[[user, name, given.origins[user]] for user, name in given.names.items()],
            chosen=dict(self._chosen),
            policies=[
                [f"{type(p).__module__}:{type(p).__qualname__}", p.keep, foreign_code(type(p))] for p in policies
            ],
        )

        def build(into: Path) -> None:
            names = {pllm_of(user): kept(name) for user, name in given.names.items()}
            origins = {pllm_of(user): _start(given.origins[user]) for user in given.names}
            layout, account = resident.lanes.layout, Account()
            folders = {**{name: pool.folder / name for name in pool.ids}, **names}
            desk = Desk(resident, pool, {name: layout.load(path) for name, path in names.items()})
            recall = Recall(memory, answering(desk, account), lambda name: known_digest(folders[name]))
            shown = ShownPool.of(pool, self._chosen)
            view = cloud_view(shown, resident, sealed(recall), _nothing_published)
            texts = {name: card_of(path, name).texts for name, path in names.items()}
            members = self._strategy.receive(view, ShownContributions(names, texts, {}, origins), policies)
            write_version(into / POOL, members, folders, layout, config.llm.model)
            write_whole(into / COST, json.dumps(account.work.counts()) + "\n")
            recall.save(into)

        built(folder, build)
        memory.take(folder)
        new = resident.open_pool(folder / POOL)
        joined = len(set(new.ids) - set(pool.ids))
        cost = json.loads((folder / COST).read_text(encoding="utf-8"))
        self.version = replace(
            self._offered(new, cost),
            contributed=len(given.names),
            joined=joined,
            by_attackers=sum(attacks(config, user) for user in given.names),
            late=sum(given.late.values()) / len(given.late) if given.late else None,
        )

    def _offered(self, pool: Pool, cost: Counts) -> Version:
        """A version with its offer, which is made now unless it is there."""
        folder = self._folder("offers", pool=known_digest(pool.folder), chosen=dict(self._chosen))
        make_offer(folder, self._strategy, self._provider, pool, self._memory, self._chosen)
        self._memory.take(folder)
        name = known_digest(pool.folder)[:16]
        offered = offer_cost(folder)
        return Version(pool, name, folder, replace(offered, cloud=_sum(cost, offered.cloud)))

    def _folder(self, kind: str, **made_of: object) -> Path:
        """Where something lies that is made of this, and of all that was made before."""
        config, resident = self._provider.config, self._provider.resident
        common = {
            "version": VERSION,
            "kind": kind,
            "after": self._memory.last,
            "strategy": identity_of(self._strategy),
            "llms": [config.llm.model, resident.lm_digest, resident.summarizer_digest],
            "adapter": [kind_of(config.training).settings(), config.training.max_tokens],
            "corpus": resident.corpus.fingerprint(),
            "seed": config.pool.seed,
        }
        if config.attackers.share:  # it decides what is published, if nothing else
            attack = foreign_code(type(attack_of(config)))
            common["attackers"] = [config.attackers.model_dump(), attack]
        return cache_dir().resolve() / "living" / digest({**common, **made_of})


def _start(pllm: str) -> Start:
    return Start({pllm: 1.0} if pllm else {})


def _nothing_published() -> Mapping[str, Mapping[str, object]]:
    return {}


def _sum(one: Counts, other: Counts) -> Counts:
    """The work of both."""
    work = Work(one)
    for (kind, llm), figures in Work(other).items():
        work.add(kind, llm, **figures)
    return work.counts()
