"""Adjectives for ways of writing: candidates for explanations where an LLM proposes none that are."""

ADJECTIVES = tuple(
    """
    simple basic elementary childlike plain clear technical expert scholarly academic complex advanced
    short concise brief terse long wordy detailed informative elaborate
    formal informal casual colloquial official polite rude blunt direct
    friendly warm cheerful playful funny humorous witty ironic sarcastic sassy
    serious neutral objective factual dry stern unfriendly gloomy sad solemn
    persuasive enthusiastic emotional dramatic poetic lyrical whimsical narrative authoritative
    archaic ancient medieval biblical modern contemporary literal literary idiomatic awkward
    """.split()
)
"""Of expertise, length, formality, warmth, mood, manner, age; of those that say nearly the same one will be kept."""
