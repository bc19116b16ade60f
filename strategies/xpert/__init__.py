"""xpert: explainable selection (Wang et al., "Never Start from Scratch", MobiSys 2025, doi 10.1145/3711875.3729132).

Section numbers refer to that paper. Its LLM code was never released; this is written from the text.
"""

from strategies.xpert.basis import Basis, Floats, distances, select_words
from strategies.xpert.strategy import Xpert

# early and merge import Basis and Xpert from here, so they are named by their modules
__all__ = ["Basis", "Floats", "Xpert", "distances", "select_words"]
