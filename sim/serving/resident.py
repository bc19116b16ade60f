"""What a process keeps loaded: corpus, LLMs, the adapted layers, and pools that were opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import torch

from devices import Llm
from sim.common.cache import known_digest, signature
from sim.common.memory import keep_pages
from sim.corpus import Corpus
from sim.experiment.config import Config
from sim.llm.adapters import kind_of
from sim.llm.encoder import SentenceEncoder
from sim.llm.lanes import Lanes
from sim.llm.model import LanguageModel
from sim.llm.named import folder_or_name
from sim.pocket import pocket_digest, pocket_folder
from sim.pool.pool import Pool

Progress = Callable[[str, int, int], None]
"""Called with (what, done, of) on long work."""


class Resident:
    """Loads what is asked for, once, and keeps it. The cloud has one, and so has every worker.

    Args:
        fetch: the folder of an LLM that the config names by something else than its folder or hub name.
    """

    def __init__(
        self,
        config: Config,
        corpus: Corpus,
        progress: Progress = lambda *_: None,
        fetch: Callable[[str], str] = str,
    ) -> None:
        keep_pages()
        torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))
        self.config, self.corpus = config, corpus
        self._progress, self._fetch = progress, fetch
        self._pool = lru_cache(maxsize=8)(self._opened)  # where pools grow, each strategy has its own

    # ------------------------------------------------------------ LLMs

    def source(self, part: Literal["base", "summarizer"]) -> str:
        """Folder, or name on the hub, of an LLM; a pocket one is built where it is missing."""
        setting = self.config.llm.model if part == "base" else self.config.llm.summarizer
        if setting == "pocket":
            return str(pocket_folder(self.corpus, self._progress) / part)
        return self._fetch(folder_or_name(setting))

    @cached_property
    def lm(self) -> LanguageModel:
        """The base LLM."""
        return LanguageModel(self.source("base"), device=self.config.engine.device)

    @cached_property
    def summarizer(self) -> LanguageModel:
        return LanguageModel(self.source("summarizer"), device=self.config.engine.device)

    @cached_property
    def encoder(self) -> SentenceEncoder:
        """The sentence encoder. Raises UserError where it is not installed."""
        return SentenceEncoder(self.config.engine.device)

    @cached_property
    def lanes(self) -> Lanes:
        """The base LLM's layers that adapters are put on."""
        return Lanes(self.lm.model, kind_of(self.config.training).on(self.lm.model))

    @cached_property
    def lm_digest(self) -> str:
        """What the base LLM is, for the pool's hash: contents of a folder, or name and revision on the hub."""
        folder = Path(self.lm.source)
        if folder.is_dir():
            return known_digest(folder)
        return f"{self.lm.source}@{getattr(self.lm.config, '_commit_hash', None)}"

    @cached_property
    def summarizer_digest(self) -> str:
        """What the summarizer is, without loading or building it."""
        source = self.config.llm.summarizer
        if source == "pocket":
            return pocket_digest(self.corpus)
        source = folder_or_name(source)
        return known_digest(Path(source)) if Path(source).is_dir() else source

    @cached_property
    def architecture(self) -> Llm | None:
        """The base LLM's sizes, for the FLOPs that are really spent; None for a family that `devices` does not know."""
        return _architecture(self.lm, self.config.llm.model)

    @cached_property
    def summarizer_architecture(self) -> Llm | None:
        return _architecture(self.summarizer, self.config.llm.summarizer)

    # ------------------------------------------------------------ pools

    def open_pool(self, folder: Path) -> Pool:
        """The pool in a folder: kept open, and read again where a file of it has changed since. Builds nothing.

        Raises: UserError where there is none, or one of another kind, rank or model.
        """
        return self._pool(folder, signature(folder) if folder.is_dir() else "")

    def _opened(self, folder: Path, _signature: str) -> Pool:
        pool = Pool(folder, self.corpus)
        for name in pool.ids[:1]:
            pool.adapter(name, self.lanes.layout)  # a pool of another rank or model fails here, early and clearly
        return pool


def _architecture(lm: LanguageModel, name: str) -> Llm | None:
    try:
        return Llm.from_config(lm.config.to_dict(), name=name)
    except ValueError:  # any causal LM may run; only what it really costs is not known
        return None
