"""The bill of users whose work is on record, for other deployed LLMs than those that it was billed for.

What a user chooses does not depend on the LLM that is billed, only the bill does. So one run tells the bills of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.experiment.config import Config
from sim.ledger.bill import Tuned, alike, bill, cells
from sim.ledger.prices import Priced
from sim.ledger.terms import Terms
from sim.ledger.work import Work, floats_of, stacked
from sim.llm.adapters import kind_of
from sim.population.phones import drawn_on, known_phones
from sim.population.users import draw_devices
from sim.records.tables import Row


@dataclass(frozen=True)
class Done:
    """What a user did with a strategy: the work of choosing, the billed steps, and how many pLLMs the start merges."""

    user_id: int
    work: Work
    steps: float
    merged: int


def can_be_billed_again(config: Config) -> bool:
    """Whether steps, and tokens of a step, are stated: measured ones are not on record."""
    return bool(config.billing.scratch_steps and config.billing.tokens_per_step)


def bill_again(config: Config, done: Sequence[Done], text_tokens: float, handlers: Mapping[str, Priced]) -> list[Row]:
    """`fits` and the billed columns of users.csv for each of `done`, as the run would have them with this config.

    Args:
        config: that of the run, but for `llm.deploy`, `llm.summarizer_deploy` and `[billing]`.
        text_tokens: `mean_text_tokens` of the run's manifest.json.
    """
    terms, kind, known = Terms.of(config, text_tokens, 1.0), kind_of(config.training), known_phones(config.population)
    rows: list[Row] = [{} for _ in done]
    for places in alike([one.work for one in done], [one.merged for one in done]):
        some = [done[i] for i in places]
        ids = [one.user_id for one in some]
        models, network = draw_devices(config, ids)
        device = drawn_on(config.seed, ids, [known[str(m)] for m in models], network, config.billing.backend)
        tokens = np.full(len(some), config.billing.tokens_per_step)
        tuned = Tuned(floats_of([one.steps for one in some]), tokens, kind.billed(max(1, some[0].merged)))
        found = bill(device, stacked([one.work for one in some]), tuned, terms, handlers)
        fits, why = zip(*found.fits(), strict=True)
        billed = {name: cells(values, len(some)) for name, values in found.columns().items()}
        columns = {"fits": fits, "why": why, **billed}
        for i, row in zip(places, zip(*columns.values(), strict=True), strict=True):
            rows[i] = dict(zip(columns, row, strict=True))
    return rows
