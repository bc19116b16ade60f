"""What a worker process keeps between messages, and what one message's work happens with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from sim.corpus import open_corpus
from sim.experiment.config import Config
from sim.ledger.terms import Terms
from sim.messages import Job
from sim.pool.pool import Pool
from sim.population.hours import Hours
from sim.population.users import possible_styles
from sim.serving.resident import Resident
from sim.transport.store import PREFIX, Store, received


class Workplace:
    """A worker's own: LLMs that stay loaded, and the store that everything named by content is fetched from.

    Args:
        config: with paths on this machine, and the names in the store of its LLMs.
    """

    def __init__(self, config: Config, store: Store) -> None:
        self.config, self.store = config, store
        self.fetch = lru_cache(maxsize=256)(store.fetch)
        """The folder of a name in the store, fetched once."""
        self.resident = Resident(config, open_corpus(config.corpus), fetch=self._llm)

    @cached_property
    def user_styles(self) -> list[str]:
        """The styles that users can have."""
        return possible_styles(self.config, self.resident.corpus)

    @cached_property
    def hours(self) -> Hours:
        """When users' phones may work."""
        return Hours(self.config)

    def task(self, job: Job, pool: str, shared: str, text_tokens: float, model: str = "") -> Task:
        """A job with all that it happens with. What cannot be loaded fails here, where it is no user's fault.

        Args:
            pool: the run's pool, by its name in the store. shared: a folder, or "". text_tokens: measured ones of a
                mean text. model: what the config calls the base LLM.
        """
        self.resident.lanes  # noqa: B018 - loads the LLM
        return Task(
            job,
            pool=self.resident.open_pool(self.fetch(job.pool or pool)),
            offer=self.fetch(job.offer),
            shared=Path(shared) if shared else None,
            terms=Terms.of(self.config, text_tokens),
            model=model,
        )

    def _llm(self, name: str) -> str:
        return str(self.fetch(name)) if name.startswith(PREFIX) else name


@dataclass(frozen=True)
class Task:
    """One job and all that it happens with.

    Args:
        offer: folder of the strategy's offer.
        shared: where the runs of a sweep keep what they share; None: nowhere.
        terms: what prices depend on, before it is known how many billed steps a measured one is.
        model: what adapters say that they were made for.
    """

    job: Job
    pool: Pool
    offer: Path
    shared: Path | None
    terms: Terms
    model: str = ""


@lru_cache(maxsize=2)
def workplace(config_json: str, store_url: str) -> Workplace:
    """The workplace for a config, kept between messages; its paths are names in the store."""
    store = Store(store_url)
    return Workplace(received(Config.model_validate_json(config_json), store), store)
