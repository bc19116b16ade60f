"""Sentences about words: how somebody differs from others, what speaks for a choice and against the runner-up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from sim.analysis.explain.explanation import Candidate, Explanation
from sim.analysis.summary import number
from sim.analysis.words.shown import Words

FEWEST = 3
"""Candidates from which on it is said how narrowly the runner-up lost."""
NARROW, CLEAR = 10, 2
"""How many times as far behind the candidate in the middle is, from which on it lost so."""
TELLING = 0.1
"""Share of all that speaks for or against something, from which on a word is named."""


def differs(words: Words, contrasted: bool = True) -> str:
    """Write as 'more poetic and expert, less warm than others'."""
    signs = (("more", [word for word, z in words if z > 0]), ("less", [word for word, z in words if z < 0]))
    return ", ".join(f"{sign} {listed(some)}" for sign, some in signs if some) + " than others" * contrasted


def in_common(e: Explanation) -> Words:
    """The words shown of the user of which the first chosen pLLM has more, or less, as well; those that weigh most."""
    theirs = dict(next(iter(e.chosen_words.values()), ()))
    return _telling(e.shown, {word: z * theirs.get(word, 0.0) for word, z in e.shown})


def why_not(e: Explanation) -> str:
    """Why the best of the candidates that were not chosen lost, in two sentences; '' where none did."""
    scored = [c for c in e.candidates if not math.isnan(c.score)]
    chosen = next((c for c in scored if c.pllm in e.chosen), None)
    loser = next((c for c in scored if c.pllm not in e.chosen), None)
    if chosen is None or loser is None or loser.score < chosen.score:
        return ""
    return " ".join(
        sentence for sentence in (_by_score(chosen, loser, scored), _in_words(e, chosen, loser)) if sentence
    )


def how_good(quality: Mapping[str, float]) -> str:
    """What is known of the quality of a strategy's explanations, as a clause for each measure; '' where nothing is."""
    share = {name: f"{number(100 * value)} %" for name, value in quality.items()}
    told = {
        "tone_first": "the first word names the true tone of {} of users",
        "word_precision": "{} of the first three words are true of them, where chance is {chance}",
        "contradictions": "{} are shown two words that contradict each other",
        "fidelity": "for {} the words shown alone give the same pLLM",
    }
    chance = share.get("word_chance", "")
    return "; ".join(text.format(share[name], chance=chance) for name, text in told.items() if name in share)


def listed(words: Sequence[str]) -> str:
    """Write as 'a, b and c'."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _by_score(chosen: Candidate, loser: Candidate, scored: Sequence[Candidate]) -> str:
    name = f"The runner-up, {loser.pllm}" + (f" (style {loser.style})" if loser.style not in loser.pllm else "")
    if loser.score == chosen.score:
        return f"{name}, is as near by its score and comes later in the list."
    middle = float(np.median([c.score for c in scored]))
    times = (middle - chosen.score) / (loser.score - chosen.score)
    if len(scored) < FEWEST or not math.isfinite(times):
        return f"{name}, lost."
    how = "narrowly" if times > NARROW else "clearly" if times > CLEAR else "by far"
    return f"{name}, lost {how}: the middle one of all {len(scored)} is {number(times, 2)} times as far behind."


def _in_words(e: Explanation, chosen: Candidate, loser: Candidate) -> str:
    mine, theirs = (_direction(e.pllm_words.get(c.pllm, ())) for c in (chosen, loser))
    if not e.shown or not mine or not theirs:
        return ""
    speaks = {word: z * (mine.get(word, 0.0) - theirs.get(word, 0.0)) for word, z in e.shown}
    if sum(speaks.values()) <= 0:
        return "The words shown do not tell why: by them alone it would be as near to the user, or nearer."
    telling = _telling(e.shown, speaks)
    return f"The user is {differs(telling, e.contrasted)}, and {loser.pllm} is less so than {chosen.pllm}."


def _telling(words: Words, weights: Mapping[str, float]) -> Words:
    total = sum(map(abs, weights.values()))
    return tuple((word, z) for word, z in words if weights[word] > TELLING * total)


def _direction(words: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Strengths by word, of length 1: who has half of another style has half as much of every word."""
    found = dict(words)
    length = math.sqrt(sum(z * z for z in found.values()))
    return {word: z / length for word, z in found.items()} if length else {}
