"""What XPerT's authors published, each value once: the file `xpert.toml`, and what reads it."""

from sim.published.series import Ours, Paper, Section, Series, paper

__all__ = ["Ours", "Paper", "Section", "Series", "paper"]
