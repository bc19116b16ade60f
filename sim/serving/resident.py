"""What a process keeps between messages: corpus, LLMs, lanes, pool. The cloud and every worker have one."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import torch

from devices import Llm
from sim.common.cache import digest, folder_digest
from sim.common.memory import keep_pages
from sim.corpus import open_corpus
from sim.corpus.base import Corpus
from sim.experiment.config import Config
from sim.llm.adapters import kind_of
from sim.llm.lanes import Lanes
from sim.llm.model import LanguageModel
from sim.pocket import pocket_digest, pocket_folder
from sim.pool.build import build_group
from sim.pool.plan import PoolPlan, plan_pool
from sim.pool.pool import Pool
from sim.population.users import possible_styles
from sim.serving.answers import Answers
from sim.transport.store import PREFIX, Store, received, shipped


class Resident:
    """Lazy: what a job does not need is not loaded.

    Attributes: `pool_folder`, where the pool lies. Left None, `pool` makes here what is missing of it; a run has nodes
    do that (`sim.cloud.building`), and tells its workers. `shared`, where the runs of a sweep keep what they share.

    Args:
        progress: called with (what, done, of) on long work.
        store: where names that begin with `store:` are fetched from.
    """

    def __init__(
        self,
        config: Config,
        progress: Callable[[str, int, int], None] = lambda *_: None,
        store: Store | None = None,
    ) -> None:
        keep_pages()
        torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))
        self.config, self._progress = config, progress
        self.store = store or Store(config.engine.store)
        self.folder = lru_cache(maxsize=256)(self.store.fetch)
        """The folder of a name in the store, fetched once."""
        self.pool_folder: Path | None = None
        self.shared: Path | None = None

    @cached_property
    def orders(self) -> dict[str, str]:
        """What every order carries: all that a worker makes a resident like this one of (`resident`)."""
        config = shipped(self.config, self.lm.source, str(self.source("summarizer")), self.store)
        return {"config": config.model_dump_json(), "store": self.store.url}

    @cached_property
    def corpus(self) -> Corpus:
        return open_corpus(self.config.corpus)

    def source(self, part: Literal["base", "summarizer"]) -> str | Path:
        """Folder, or name on the hub, of an LLM; a pocket one is built where it is missing."""
        setting = self.config.llm.model if part == "base" else self.config.llm.summarizer
        if setting == "pocket":
            return pocket_folder(self.corpus, self._progress) / part
        return self.folder(setting) if setting.startswith(PREFIX) else setting

    @cached_property
    def lm(self) -> LanguageModel:
        return LanguageModel(self.source("base"), device=self.config.engine.device)

    @cached_property
    def lm_digest(self) -> str:
        """What the base LLM is, for the pool's hash: contents of a folder, or name and revision on the hub."""
        folder = Path(self.lm.source)
        if folder.is_dir():
            return folder_digest(folder)
        return f"{self.lm.source}@{getattr(self.lm.config, '_commit_hash', None)}"

    @cached_property
    def summarizer_digest(self) -> str:
        """What the summarizer is, without loading or building it."""
        source = self.config.llm.summarizer
        if source == "pocket":
            return pocket_digest(self.corpus)
        return folder_digest(Path(source)) if Path(source).is_dir() else source

    @cached_property
    def architecture(self) -> Llm | None:
        """The base LLM's sizes, for the FLOPs that are really spent; None for a family that `devices` does not know."""
        return _architecture(self.lm, self.config.llm.model)

    @cached_property
    def summarizer_architecture(self) -> Llm | None:
        return _architecture(self.summarizer, self.config.llm.summarizer)

    @cached_property
    def summarizer(self) -> LanguageModel:
        return LanguageModel(self.source("summarizer"), device=self.config.engine.device)

    @cached_property
    def lanes(self) -> Lanes:
        return Lanes(self.lm.model, kind_of(self.config.training).on(self.lm.model))

    @property
    def pool_plan(self) -> PoolPlan:
        return plan_pool(self.config, self.corpus, self.lm_digest)

    @cached_property
    def pool(self) -> Pool:
        if self.pool_folder is None:
            plan = self.pool_plan
            for group in plan.missing():
                build_group(self, group)
            self.pool_folder = plan.assemble()
        pool = Pool(self.pool_folder, self.corpus)
        for name in pool.ids[:1]:
            pool.adapter(name, self.lanes.layout)  # a pool of another rank or model fails here, early and clearly
        return pool

    @cached_property
    def pool_digest(self) -> str:
        """What the pool is, and all but settings that offers about it are made of: the name of a pool that was built
        is a hash already, a folder that the config names may be anything."""
        if not self.config.pool.path:
            return self.pool.folder.name
        content = folder_digest(self.pool.folder, without="offers")
        return digest({"pool": content, "corpus": self.corpus.fingerprint(), "seed": self.config.pool.seed})

    @cached_property
    def answers(self) -> Answers:
        config = self.config
        return Answers(
            self.lm,
            self.lanes,
            lambda: self.summarizer,
            self.pool,
            config.training.max_tokens,
            config.engine.lanes,
        )

    @cached_property
    def user_styles(self) -> list[str]:
        """The styles that users can have. Raises UserError where the corpus has too few texts of one."""
        return possible_styles(self.config, self.corpus)


def _architecture(lm: LanguageModel, name: str) -> Llm | None:
    try:
        return Llm.from_config(lm.config.to_dict(), name=name)
    except ValueError:  # any causal LM may run; only what it really costs is not known
        return None


@functools.lru_cache(maxsize=2)
def resident(config_json: str, store_url: str) -> Resident:
    """A worker's resident for a config, kept between messages; its paths are names in the store."""
    store = Store(store_url)
    return Resident(received(Config.model_validate_json(config_json), store), store=store)
