"""Faster ways to the same numbers: every one of these could be left out."""
