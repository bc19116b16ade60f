"""What docs/results.md says."""

from __future__ import annotations

from collections.abc import Iterator

from docs.make.summaries import REFERENCE
from sim.analysis.tables import Run, load_run
from sim.experiment.config import Config
from tests.docs.counted import minutes


def said() -> Iterator[str]:
    pools = {name: _runs(name) for name in ("headline", "strategies")}
    (size,) = {len(run.pool) for runs in pools.values() for run in runs}
    yield f"{size} are in the pool"
    yield f"{size} pLLMs at 80 % similarity"
    yield f"{size} times a pLLM's rank"

    rich = [run for run in pools["headline"] if run.config and run.config.pool.texts == "rich"]
    (owners,) = {int(texts) for run in rich for texts in run.pool["texts"]}
    (users,) = {int(texts) for run in rich for texts in run.users["texts"]}
    assert owners == 8 * users
    yield f"eight times as much, {owners} texts"
    yield f"plus {100 * Config().training.target_tolerance:g} %"
    yield f"the bill takes {Config().billing.scratch_steps:,}"
    yield f"{minutes('strategies')} minutes on two cores"
    peers, rich = (minutes("headline", pool__texts=regime) for regime in ("peers", "rich"))
    yield f"({peers} minutes among peers and {rich} in the rich regime on two cores"


def _runs(name: str) -> list[Run]:
    return [load_run(path.parent) for path in (REFERENCE / name).rglob("pool.csv")]
