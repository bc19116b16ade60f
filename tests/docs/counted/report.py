"""What docs/report.md says is left out of a page."""

from __future__ import annotations

from collections.abc import Iterator

from sim.analysis.look import crowd, explorer


def said() -> Iterator[str]:
    yield f"the list of users has {explorer.MOST_ROWS:,} rows at most"
    yield f"of over {crowd.MOST_STYLES} styles the rarest are one"
    yield f"of a sweep the first {explorer.MOST_CROWDS} settings can be explored"
    yield f"loss curves keep {crowd.MOST_STEPS} steps"
