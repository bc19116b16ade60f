"""Which words of an explanation are shown: few, with their signs, and no two that contradict each other."""

from __future__ import annotations

Words = tuple[tuple[str, float], ...]
"""Pairs (word, how much of it)."""

MORE, LESS = 4, 2
"""Words that are shown at most: of what a style is, and of what it is not."""
LEAST = 0.2
"""A word is shown from this share of the largest strength on."""

_OPPOSITES = """
friendly warm kind cheerful welcoming | unfriendly cold hostile rude grumpy stern severe
polite courteous civil respectful kind | rude impolite hostile snide mocking insulting
concise brief short terse succinct | informative detailed thorough comprehensive lengthy long verbose wordy
elementary childlike simple basic | expert technical academic scholarly collegiate advanced complex intricate
formal corporate managerial official | informal casual slang colloquial streetwise relaxed
serious sober stern | humorous funny playful witty whimsical zany silly
cheerful excited enthusiastic lively | gloomy moody mournful sad
neutral impartial objective | persuasive rousing biased emotional romantic sarcastic hostile friendly unfriendly warm
plain | poetic lyrical flowery elaborate
confident boastful arrogant assertive | hesitant unsure timid tentative apologetic humble
calm | energetic excited exuberant breathless lively
modern | archaic antiquated
personal | impersonal
"""
OPPOSITES = tuple(
    tuple(frozenset(side.split()) for side in line.split("|")) for line in _OPPOSITES.strip().splitlines()
)
"""Pairs of sets of English words: nothing is both what a word of the one says and what a word of the other does."""


def opposite(one: str, other: str) -> bool:
    """Whether two words are on opposite sides of a line of `OPPOSITES`."""
    return any((one in a and other in b) or (one in b and other in a) for a, b in OPPOSITES)


def shown(words: Words, consistent: bool = True) -> Words:
    """The words to show, of all that was said of somebody: first those of more than others, then those of less.

    Args:
        consistent: whether a word is left out that contradicts a stronger one. Two opposites do where somebody is said
            to be more of both, or less of both.
    """
    largest = max((abs(z) for _, z in words), default=0.0)
    kept: list[tuple[str, float]] = []
    for word, z in sorted(words, key=lambda said: -abs(said[1])):
        room = (MORE if z > 0 else LESS) - sum((z > 0) == (other > 0) for _, other in kept)
        if room < 1 or abs(z) < LEAST * largest or z == 0:
            continue
        if not consistent or not any((z > 0) == (other > 0) and opposite(word, name) for name, other in kept):
            kept.append((word, z))
    return tuple(said for sign in (1, -1) for said in kept if sign * said[1] > 0)
