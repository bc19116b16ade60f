"""What tests of runs share: a run of seconds, and whether two runs left the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sim.records.journal import RECORDED
from sim.records.tables import WALL_CLOCK


def tiny_overrides(tiny_llm: Path, output: Path) -> list[str]:
    """Overrides that make the quickstart a run of about a second, in this process."""
    settings = f"""output={output} strategies=["scratch","random","oracle"]
        llm.model={tiny_llm} llm.summarizer={tiny_llm}
        pool.size=2 pool.texts=8 pool.steps=2 population.users=4 population.texts=6 population.held_out=2
        ladder.users=4 ladder.amounts=[0.5,1.0] training.steps=4 training.evaluate_every=2 training.max_tokens=48
        engine.backend=inline engine.cohort=2 billing.reference_users=2"""
    return settings.split()


def same_tables(left: Path, right: Path) -> None:
    """Assert that two runs recorded the same, wall-clock columns apart."""
    for table in RECORDED:
        a, b = (folder / f"{table}.csv" for folder in (left, right))
        assert a.is_file() == b.is_file(), table
        if not a.is_file():
            continue
        one, other = (pd.read_csv(p, dtype=str, keep_default_na=False) for p in (a, b))
        wall = [c for c in WALL_CLOCK if c in one]
        pd.testing.assert_frame_equal(one.drop(columns=wall), other.drop(columns=wall))
        if not wall:
            assert a.read_bytes() == b.read_bytes(), table
