"""Names of strategies that the simulator itself must know: the two that all others are measured against."""

from __future__ import annotations

SCRATCH = "scratch"
"""No pLLM at all. Always run first, since it finds every user's target; recorded only where the config names it."""
ORACLE = "oracle"
"""A start from the truly closest pLLM, which no real phone could know."""

SEEDS = ("seed", "pool.seed")
"""Keys whose values ask the same again: what replicates differ in."""
