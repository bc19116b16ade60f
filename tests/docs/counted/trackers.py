"""What docs/trackers.md says."""

from __future__ import annotations

from collections.abc import Iterator

from docs.make.summaries import ROOT


def said() -> Iterator[str]:
    files = [path for path in (ROOT / "sim" / "records" / "trackers").glob("[a-z]*.py") if path.stem != "base"]
    lines = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    assert len(lines) == 3
    yield f"have {lines[0]} to {lines[-1]} lines each"
