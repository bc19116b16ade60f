"""Text by style: the built-in corpus, readers of files, and whatever else a config names."""

from __future__ import annotations

from sim.common.errors import UserError
from sim.corpus.base import Corpus, Style
from sim.corpus.people import with_people
from sim.experiment.registry import Registry
from sim.experiment.sections import CorpusSection

__all__ = ["CORPORA", "Corpus", "Style", "open_corpus"]

CORPORA: Registry[Corpus] = Registry(
    "headstart.corpora",
    "corpus.source",
    "corpus",
    Corpus,  # type: ignore[type-abstract]
)


def open_corpus(section: CorpusSection) -> Corpus:
    """The corpus that a config names. Raises UserError."""
    kind = CORPORA.load(section.source)
    if kind.needs_path and not section.path:
        raise UserError(f"corpus.path: empty, but corpus.source = {section.source!r} needs a path.")
    try:
        corpus = kind.open(section)
    except UserError:
        raise
    except (TypeError, ValueError, OSError) as error:
        raise UserError(f"corpus.source = {section.source!r}: {' '.join(str(error).split())}.") from error
    for name in ("styles", "default"):
        if not hasattr(corpus, name):
            raise UserError(f"corpus.source = {section.source!r}: what it opens has no {name!r}.")
    return with_people(corpus, section) if section.people else corpus
