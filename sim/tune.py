"""Learning rates, tuned for one config: the grid, on whom it is tried, and what is best.

Tried on users whom no run reports and on owners whose pLLMs are in no pool: both are drawn from a seed that nobody
names. What counts is the loss on the texts that they set aside, so no text that measures a result has a say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import tomli_w

from sim.analysis.tables import Run, load_run
from sim.common.disk import write_whole
from sim.common.errors import RunFailed, UserError
from sim.common.streams import tuning_seed
from sim.experiment.config import Config
from sim.experiment.grid import Point
from sim.experiment.names import ORACLE, SCRATCH
from sim.experiment.reading import set_key
from sim.sweep import SweepWatcher, sweep

RATES = (5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2)
USERS, OWNERS = 24, 8
POOL, SCRATCH_RATE, WARM_RATE = "pool.lr", "training.lr", "training.warm_lr"


@dataclass(frozen=True)
class Trial:
    """A learning rate, and what came of it in the mean of users or owners.

    `loss` is the lowest on validation texts (nats), `step` that of it; `at_budget` the share who trained to the last
    step of the budget, and might have come lower with more.
    """

    rate: float
    loss: float
    step: float
    at_budget: float


@dataclass(frozen=True)
class Tuned:
    """A key of the config with what came of the rates that it was given."""

    key: str
    trials: Sequence[Trial]

    @property
    def best(self) -> Trial:
        """The trial of the lowest loss."""
        return min(self.trials, key=lambda trial: trial.loss)

    @property
    def at_an_end(self) -> bool:
        """Whether the best rate is the lowest or the highest of those tried."""
        rates = [trial.rate for trial in self.trials]
        return self.best.rate in (min(rates), max(rates))


def tune(config: Config, rates: Sequence[float], users: int, watcher: SweepWatcher) -> list[Tuned]:
    """Try every rate, for pLLMs first; then for users, from scratch and from the right pLLM of the config's pool.

    Its runs lie beside the config's, as NAME-tuning-...; those that are done are found again. Raises UserError,
    RunFailed.
    """
    if config.training.cost_only:
        raise UserError("tune: with training.cost_only = true nobody trains, so there is nothing to tune.")
    config, seed = _changed(config, {"replicates": 1}), tuning_seed(config.seed)
    found: list[Tuned] = []
    alone = {"strategies": [SCRATCH], "ladder.users": 0}
    if config.pool.size and not config.pool.path:
        few = OWNERS if config.pool.size == "auto" else min(config.pool.size, OWNERS)
        nobody = {**alone, "pool.size": few, "pool.seed": seed, "population.users": 1, "training.steps": 1}
        runs = _runs(config, "pool", (POOL,), rates, nobody, watcher)
        found.append(_tuned(POOL, rates, [run.pool for run in runs], "steps", "trained", config.pool.steps))
        config = _changed(config, {POOL: found[0].best.rate})
    settings: dict[str, object] = {**alone, "seed": seed, "population.users": users, "training.stop_at_target": False}
    keys = [SCRATCH_RATE]
    if config.pool.size or config.pool.path:
        settings["strategies"] = [SCRATCH, ORACLE]
        keys.append(WARM_RATE)
    runs = _runs(config, "users", keys, rates, settings, watcher)
    for key, strategy in zip(keys, (SCRATCH, ORACLE), strict=False):
        tables = [run.users[run.users["strategy"] == strategy] for run in runs]
        if key == WARM_RATE:  # of a style that is like none of the pool's the right start is from scratch
            tables = [table[table["chosen"].fillna("") != ""] for table in tables]
        if len(tables[0]):
            found.append(_tuned(key, rates, tables, "kept_step", "steps", config.training.steps))
    return found


def write(tuned: Sequence[Tuned], path: Path, made: str) -> None:
    """Write the best rates as TOML that a config can name; comments say how it was `made` and what every rate gave."""
    tree: dict[str, object] = {}
    lines = [f"# Written by `{made}`.", "# Mean loss (nats) on validation texts, by learning rate:"]
    for each in tuned:
        set_key(tree, each.key, each.best.rate)
        losses = ", ".join(f"{trial.rate:g}: {trial.loss:.4f}" for trial in each.trials)
        lines.append(f"#   {each.key:<16} {losses}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "\n".join([*lines, "", tomli_w.dumps(tree)]))


def _runs(
    config: Config,
    what: str,
    keys: Sequence[str],
    rates: Sequence[float],
    settings: Mapping[str, object],
    watcher: SweepWatcher,
) -> list[Run]:
    """A run with each rate, which all of the keys are given."""
    base = _changed(config, {**settings, "name": f"{config.name}-tuning-{what}"})
    points = [Point({"lr": f"{rate:g}"}, _changed(base, dict.fromkeys(keys, rate))) for rate in rates]
    if failures := sweep(points, watcher):
        raise RunFailed(f"tune: {failures[0]}")
    return [load_run(point.folder) for point in points]


def _changed(config: Config, values: Mapping[str, object]) -> Config:
    tree = config.model_dump()
    for key, value in values.items():
        set_key(tree, key, value)
    return Config.of(tree)


def _tuned(
    key: str, rates: Sequence[float], tables: Sequence[pd.DataFrame], kept: str, last: str, budget: int
) -> Tuned:
    """What users.csv or pool.csv say of each rate; `kept` and `last` are their columns of steps."""
    if any(table["validation_loss"].isna().all() for table in tables):
        raise UserError(f"tune: {key}: validation texts are set aside of two texts or more; here there are none.")
    trials = [
        Trial(
            rate,
            loss=float(table["validation_loss"].mean()),
            step=float(table[kept].mean()),
            at_budget=float((table[last] >= budget).mean()),
        )
        for rate, table in zip(rates, tables, strict=True)
    ]
    return Tuned(key, trials)
