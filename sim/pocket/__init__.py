"""The pocket LLMs: real, small, built by a seeded recipe from any corpus, so that a laptop without network runs all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from sim.common.cache import built, cache_dir, digest, known_digest, require_whole
from sim.corpus.base import Corpus
from sim.pocket.settings import QUICK

DATA = Path(__file__).parent / "data"
PARTS = ("base", "summarizer")


def pocket_folder(corpus: Corpus, progress: Callable[[str, int, int], None] = lambda *_: None) -> Path:
    """The folder with `base` and `summarizer` of a corpus: shipped for the built-in one, else built and cached."""
    from sim.pocket.recipe import build

    if corpus.built_in:
        for part in PARTS:
            require_whole(DATA / part, "install Headstart again")
        return DATA
    name = pocket_digest(corpus)
    return built(cache_dir() / "pocket" / name, lambda folder: build(corpus, folder, QUICK, progress))


def pocket_digest(corpus: Corpus) -> str:
    """A hash of what the pocket LLMs of a corpus are made of, or of the shipped ones; known before they are built."""
    if corpus.built_in:
        return "".join(known_digest(DATA / part) for part in PARTS)
    return digest({"corpus": corpus.pool_fingerprint(), "recipe": asdict(QUICK)})
