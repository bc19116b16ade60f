"""The pocket LLMs: real, small, built by a seeded recipe from any corpus, so that a laptop without network runs all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from sim.cache import built, cache_dir, digest
from sim.corpus.base import Corpus

DATA = Path(__file__).parent / "data"


def pocket_folder(corpus: Corpus, progress: Callable[[str, int, int], None] = lambda *_: None) -> Path:
    """The folder with `base` and `summarizer` for a corpus: shipped for the built-in one, else built once and cached."""
    from sim.corpus.persona import PersonaCorpus
    from sim.llm.pocket.recipe import QUICK, build

    if isinstance(corpus, PersonaCorpus):
        return DATA
    name = digest({"corpus": corpus.fingerprint(), "recipe": asdict(QUICK)})
    return built(cache_dir() / "pocket" / name, lambda folder: build(corpus, folder, QUICK, progress))
