"""What the summarizer is asked, in one place (XPerT, sections 4.1 and 4.2, in our own words)."""

from __future__ import annotations


def compare(plain: str, styled: str) -> str:
    """Ask for the one adjective that sets the second text apart from the first."""
    return (
        f"Text one: {plain}\nText two: {styled}\n"
        "Which language style is more characteristic of text two than of text one? Reply with one adjective."
    )


def write(word: str, prompt: str) -> str:
    """Ask for an answer in the style that a word names."""
    return f"{prompt} Answer in a style that is {word}."
