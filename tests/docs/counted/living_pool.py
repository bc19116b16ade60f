"""What docs/living_pool.md says of settings."""

from __future__ import annotations

from collections.abc import Iterator

from strategies.policies import Medoids, Merge
from strategies.xpert import Xpert


def said() -> Iterator[str]:
    yield f"(cosine of their changes {Merge.alike:g} and more)"
    yield f"| {Medoids.probes} answers of each new pLLM |"
    yield f"the hidden states of its probes, {Xpert().probes} vectors a pLLM"
