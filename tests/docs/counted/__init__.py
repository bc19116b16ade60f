"""What pages say in figures that take more than a cell of a summary.

A module is a page, of the same name; its `said()` gives pieces of the page as the committed records, the code and the
shipped files have them. test_figures.py wants each on the page, word for word.
"""

from __future__ import annotations

import json

from docs.make.summaries import REFERENCE
from sim.experiment.config import Config


def minutes(of: str, **where: str) -> int:
    """How long a run, or the runs of a sweep whose config has these values (`pool__texts="rich"`), took in all."""
    seconds = 0.0
    for path in (REFERENCE / of).rglob("manifest.json"):
        config = Config.of_run(path.parent / "config.toml").model_dump()
        at = {key: config[section][name] for key in where for section, _, name in [key.partition("__")]}
        if at == where:
            seconds += json.loads(path.read_text(encoding="utf-8"))["wall_s"]
    return round(seconds / 60)
