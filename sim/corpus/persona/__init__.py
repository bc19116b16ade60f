"""The built-in corpus: true facts on 168 topics, dressed by a grammar in any of 28 styles and more."""

from sim.corpus.persona.corpus import PersonaCorpus
from sim.corpus.persona.grammar import Grammar

__all__ = ["Grammar", "PersonaCorpus"]
