"""What docs/reliability.md says of the tests that try readers, and of deadlines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from docs.make.summaries import ROOT
from sim.transport import dispatch

FUZZ = ROOT / "tests" / "fuzz"


def said() -> Iterator[str]:
    profile = re.search(r'"long", max_examples=([\d_]+)', (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    fewer = re.search(r"max_examples=min\(([\d_]+)", (FUZZ / "test_any_records.py").read_text(encoding="utf-8"))
    assert profile
    assert fewer
    most, some = (int(found[1]) for found in (profile, fewer))
    yield f"`pytest -m fuzz` tries {most:,} of them a test, an ordinary test run 100"
    yield f"and gets {some:,}, and 50"
    yield f"the test that found it passed its {most:,} afterwards"
    for path in sorted(FUZZ.glob("test_any_*.py")):
        count = len(re.findall(r"^@given", path.read_text(encoding="utf-8"), re.MULTILINE))
        if path.stem in ("test_any_records", "test_any_tuned"):
            continue  # in several rows; not among those that the long profile was run for
        yield f"`{path.name}`, {count}"
    slack, least = dispatch.SLACK, dispatch.PATIENCE_S
    yield f"{slack:.0f} times as long as the slowest cohort of its kind and at least {least:.0f} s"
