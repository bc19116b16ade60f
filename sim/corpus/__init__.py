"""Where text comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sim.common.errors import UserError
from sim.corpus.base import Corpus, Style

if TYPE_CHECKING:
    from sim.experiment.sections import CorpusSection

__all__ = ["Corpus", "Style", "open_corpus"]


def open_corpus(section: CorpusSection) -> Corpus:
    """The corpus that a config names. Raises UserError."""
    from sim.corpus import files
    from sim.corpus.persona import PersonaCorpus

    if section.source == "persona":
        return PersonaCorpus()
    if section.source == "hf":
        fields = {"prompt": section.prompt, "answer": section.answer, "style": section.style}
        return files.hub(section.path, fields, section.default, section.held_out, section.styles)
    path = Path(section.path)
    if section.source == "xpert":
        if not path.is_dir():
            raise UserError(f"corpus.path: no folder {section.path!r}.")
        return files.xpert_folder(path, section.default, section.styles)
    if not path.is_file():
        raise UserError(f"corpus.path: no file {section.path!r}.")
    fields = {"prompt": section.prompt, "answer": section.answer, "style": section.style}
    return files.jsonl(path, fields, section.default, section.held_out, section.styles)
