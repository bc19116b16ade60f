"""Explanations in words: what was said of whom, which words are shown, and how good they are."""
