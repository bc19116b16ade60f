"""The built-in corpus: true facts on 487 topics, dressed by grammars in 26 tones and more."""

from sim.corpus.persona.corpus import PersonaCorpus
from sim.corpus.persona.grammar import Grammar

__all__ = ["Grammar", "PersonaCorpus"]
