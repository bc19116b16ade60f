"""The small cloud of a rehearsal: the built-in LLMs, pLLMs that were never trained, and two phones of the config."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor

from sim.cloud.pools.owners import OwnerView, nothing_published
from sim.cloud.view import CloudView, ShownPool, answering, settled
from sim.common.sealed import sealed, sealed_value
from sim.common.streams import stream
from sim.corpus.persona import PersonaCorpus
from sim.experiment.config import Config
from sim.experiment.sections import CorpusSection, LlmSection, Training
from sim.ledger.terms import Terms
from sim.llm.adapters.base import Layout
from sim.pool.pool import OFFERS, Card, Pool
from sim.population.hours import Hours
from sim.population.phones import own_phone
from sim.population.users import User, draw_users
from sim.serving.account import Account, PhoneAccount
from sim.serving.answer import Answering
from sim.serving.desk import Desk
from sim.serving.resident import Resident
from sim.worker.choosing import Participant
from sim.worker.phone import PhoneView
from strategies.base import Strategy

ADAPTERS = 4
"""Different adapters that the pLLMs share."""
TEXTS = 8
"""Texts of a small phone and of an owner, and probes: more than requests are answered for."""
SPREAD = 0.05
"""Of an adapter's random weights: enough that pLLMs answer differently."""
TEXT_TOKENS = 98.0
"""Measured tokens of a mean text, for prices: as many as `billing.tokens_per_text` says where nobody changed it."""


@dataclass(frozen=True)
class Sizes:
    """How large a rehearsal's world is: ids of pLLMs, texts of each of its phones, the cloud's probes."""

    pllms: tuple[str, ...]
    texts: tuple[int, ...]
    probes: int

    @property
    def small(self) -> Sizes:
        """What is fast, and may be too little for a strategy."""
        return Sizes(self.pllms[:ADAPTERS], tuple(min(n, TEXTS) for n in self.texts), min(self.probes, TEXTS))


class SmallPool(Pool):
    """pLLMs by their ids, which share a few random adapters; those lie in a folder under the first of the ids."""

    def __init__(self, ids: Sequence[str], folder: Path, adapters: Sequence[Tensor], layout: Layout) -> None:
        styles = _corpus().usual
        self.folder, self.bases = folder, {}
        self.cards = {
            name: Card(name, styles[i % len(styles)], 0.8, TEXTS, 1, 1, None, 1.0) for i, name in enumerate(ids)
        }
        self._flats = {name: adapters[i % len(adapters)] for i, name in enumerate(ids)}
        for name in islice(ids, len(adapters)):
            layout.save(folder / name, self._flats[name], "pocket")

    def adapter(self, name: str, layout: Layout) -> Tensor:
        self.card(name)
        return self._flats[name]

    @property
    def shown(self) -> ShownPool:
        """The pool as a strategy sees it."""
        folders = {name: self.folder / self.ids[i % ADAPTERS] for i, name in enumerate(self.ids)}
        return ShownPool(folders, {name: card.texts for name, card in self.cards.items()})


class World:
    """What strategies are rehearsed in: as the config says in all that they can see but sizes, LLMs and texts.

    A context manager: it has a folder of its own.

    Attributes: `offers` are the folders of offers that were made, by what they are made of and the size of the pool.
    """

    def __init__(self, config: Config) -> None:
        self.config, self._hours = config, Hours(config)
        self.terms = Terms.of(config, TEXT_TOKENS)
        self.resident = _resident(config)
        self._folder = tempfile.TemporaryDirectory(prefix="headstart-rehearsal-")
        layout, rng = self.resident.lanes.layout, stream(0, "rehearsal", "adapters")
        flats = [layout.fresh(rng) for _ in range(ADAPTERS)]
        self._adapters = [flat + flat.new_tensor(rng.normal(scale=SPREAD, size=len(flat))) for flat in flats]
        self._pools: dict[tuple[str, ...], SmallPool] = {}
        self.offers: dict[tuple[str, int], Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def new_folder(self) -> Path:
        """A folder that goes with the world."""
        return Path(tempfile.mkdtemp(dir=self._folder.name))

    def pool(self, ids: tuple[str, ...]) -> SmallPool:
        """A pool of pLLMs with these ids."""
        if ids not in self._pools:
            self._pools[ids] = SmallPool(ids, self.new_folder(), self._adapters, self.resident.lanes.layout)
        return self._pools[ids]

    def cloud(self, strategy: Strategy, desk: Desk, pool: SmallPool, probes: int, answered: Answering) -> CloudView:
        """The cloud as a strategy sees it, and owners who publish where it reads that."""
        ask = answering(desk, Account(), answered)

        def publish() -> Mapping[str, Mapping[str, object]]:
            path = self.config.pool.path
            if path and not (Path(path) / OFFERS).is_dir():  # else the offer may have been made with the pool
                raise nothing_published(strategy)
            texts = tuple(_corpus().draw(_corpus().usual[0], "pool", TEXTS, stream(0, "rehearsal", "owner")))
            return {name: strategy.offering.publish(OwnerView(texts, ask)) for name in pool.ids}

        prompts = tuple(_corpus().probes(probes, stream(0, "rehearsal", "probes")))
        return CloudView(pool.shown, prompts, self.config.pool.seed, ask, sealed_value(lambda: settled(publish)))

    def phones(self, strategy: Strategy, pool: SmallPool, texts: Sequence[int]) -> dict[int, Participant]:
        """The phones of the config's first users, each with so many texts, by user."""
        alone = self.config.population.model_copy(update={"styles_per_user": 1})
        config = self.config.model_copy(update={"population": alone})
        users = draw_users(config, _corpus(), _corpus().usual, range(len(texts)))
        return {u.id: self._participant(u, n, strategy, pool) for u, n in zip(users, texts, strict=True)}

    def _participant(self, user: User, texts: int, strategy: Strategy, pool: SmallPool) -> Participant:
        """A user's phone with texts that nobody has in a run: what a strategy remembers of them is of no use there."""
        account, rng = PhoneAccount(user.id, self.config.seed), stream(0, "rehearsal", user.id)
        view = PhoneView(
            own_texts=sealed_value(lambda: tuple(_corpus().draw(user.styles[0], "user", texts, rng))),
            seed=self.config.seed,
            user_id=user.id,
            own=own_phone(self.config, self._hours, user.id, user.phone, user.connection),
            terms=self.terms,
            on_phone=sealed(account.has),
            truth=pool.ids[:1] if strategy.reads_truth else None,
        )
        return Participant(view, account)


@lru_cache(maxsize=1)
def _corpus() -> PersonaCorpus:
    return PersonaCorpus()


def _resident(config: Config) -> Resident:
    """The built-in LLMs with adapters of the config's kind, or LoRA's where that kind cannot be put on them."""
    own = config.training.model_copy(
        update={"targets": ["all-linear"], "rank": min(config.training.rank, ADAPTERS), "max_tokens": 64, "batch": 2}
    )
    for training in (own, Training(max_tokens=64)):
        sections = {"llm": LlmSection(), "corpus": CorpusSection(), "training": training}
        engine = config.engine.model_copy(update={"device": "cpu"})
        resident = Resident(config.model_copy(update={**sections, "engine": engine}), _corpus())
        try:
            resident.lanes  # noqa: B018 - loads the LLM
        except Exception:  # a kind of others, made for other LLMs
            continue
        return resident
    raise AssertionError("LoRA is put on any LLM")
