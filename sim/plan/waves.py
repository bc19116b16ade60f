"""A run whose users come in waves: what each wave brings, and what the cloud does between them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pandas as pd

from sim.cloud.cohorts import job_count
from sim.experiment.config import Config
from sim.experiment.policies import make_policies
from sim.experiment.strategies import make_strategy
from sim.population.users import contributes
from strategies.policies import Chosen, Freshest, Medoids

MOST_DRAWN = 20_000
"""Users of whom it is drawn who gives; of more only the share is known."""
KEEPING = (Chosen, Freshest, Medoids)
"""Policies that leave no more pLLMs than `waves.keep`."""


def waves(config: Config, pllms: int) -> pd.DataFrame:
    """A row a wave: its number, users, jobs, users of it who give their adapter at most (not those whose phone cannot
    make one), and the most pLLMs that a strategy's pool can have when it begins. Empty where all come at once.

    Args:
        pllms: of the pool that the run begins with.
    """
    count, rows, pool = config.waves.count, [], pllms
    jobs = [job_count(config, wave) for wave in range(count + 1)]
    for wave in range(count if count > 1 else 0):
        users = config.wave(wave)
        give = _givers(config, users)
        rows.append((wave, len(users), jobs[wave + 1] - jobs[wave], give, pool))
        pool = min(pool + give, *_kept(config))
    return pd.DataFrame(rows, columns=["wave", "users", "jobs", "give_at_most", "pllms_at_most"])


def _givers(config: Config, users: range) -> int:
    if config.population.users > MOST_DRAWN:
        return round(config.waves.contribute * len(users))
    return sum(contributes(config, user) for user in users)


def _kept(config: Config) -> list[int]:
    """How many pLLMs those policies leave in a pool that leave only so many; one that no pool has for the others."""
    kept = [policy.keep for policy in make_policies(config) if isinstance(policy, KEEPING) and policy.keep]
    return [*kept, sys.maxsize]


def said(config: Config, table: pd.DataFrame, between_s: float | None) -> Iterator[str]:
    """What a plan says of waves.

    Args:
        between_s: seconds of the cloud between two waves; None: not known.
    """
    if table.empty:
        return
    grows = [name for name in config.strategies if make_strategy(name, config).contributes]
    few, many = int(table["users"].min()), int(table["users"].max())
    each = f"{many:,}" if few == many else f"{few:,} to {many:,}"
    given = int(table["give_at_most"].sum())
    yield (
        f"Users come in {len(table)} waves of {each}; {given:,} of them give what they make, if their phones can make "
        f"it, to the pools of {', '.join(grows) or 'no strategy'}: each has one of its own."
    )
    gaps, last = len(table) - 1, int(table["pllms_at_most"].iloc[-1])
    pools = f"{len(grows)} pools (of up to {last:,} pLLMs) and their offers"
    work = f"Between waves the cloud makes {pools} anew, while workers wait"
    if between_s is None:
        yield f"{work}; how long that takes is not known."
    else:
        yield f"{work}: about {gaps * between_s / 60:.1f} minutes of the time, {between_s:.0f} s each of {gaps} times."
