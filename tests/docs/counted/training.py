"""What docs/training.md says."""

from __future__ import annotations

from collections.abc import Iterator

from sim.llm.training.progress import LEAST_VALIDATION, VALIDATION_SHARE
from sim.pool.plan import HELD_OUT
from sim.tune import OWNERS, USERS


def said() -> Iterator[str]:
    assert VALIDATION_SHARE == 8
    yield f"an eighth, at least {LEAST_VALIDATION}, at most half"
    yield f"{HELD_OUT}, where there are as many"
    yield f"It takes {USERS} users and {OWNERS} owners"
