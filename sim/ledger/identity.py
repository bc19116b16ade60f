"""The columns of a user's row that are known without any simulation."""

from __future__ import annotations

from collections.abc import Mapping

from devices import Phone
from sim.messages import Job, Outcome
from sim.records.tables import Row


def identity_columns(job: Job, outcome: Outcome, phones: Mapping[str, Phone]) -> Row:
    """Who the user is, on which phone and network, with how many texts, and which pLLM would be right."""
    return {
        "user_id": outcome.user_id,
        "strategy": job.strategy,
        "amount": job.amount,
        "wave": job.wave,
        "phone": outcome.phone,
        "tier": phones[outcome.phone].tier,
        "network": outcome.network.access,
        "texts": outcome.texts,
        "style": "+".join(outcome.styles),
        "taught": outcome.taught,
        "attacker": outcome.attacker,
        "oracle": outcome.nearest[0] if outcome.nearest else "",
        "wall_s": outcome.wall_s,
    }
