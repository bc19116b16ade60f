"""What the pocket summarizer is taught to be asked.

A strategy that wants words of it has to ask in the very same form, as `strategies/xpert/prompts.py` does: an LLM this
small understands no other. A form that changes here changes the summarizer (`Recipe.version`).
"""

from __future__ import annotations


def compare(plain: str, styled: str) -> str:
    """The request to name the one adjective that sets the second text apart from the first."""
    return (
        f"Text one: {plain}\nText two: {styled}\n"
        "Which language style is more characteristic of text two than of text one? Reply with one adjective."
    )


def write(word: str, prompt: str) -> str:
    """The request to answer a prompt in the style that a word names."""
    return f"{prompt} Answer in a style that is {word}."
