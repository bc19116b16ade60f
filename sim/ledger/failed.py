"""What is recorded of users whose simulation raised (`engine.keep_going`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices import Phone
from sim.messages import Job, Outcome
from sim.records.tables import FAILED, Row, Rows


def with_failures(rows: Rows, job: Job, outcomes: Sequence[Outcome], phones: Mapping[str, Phone]) -> Rows:
    """The rows of a job, and for each of its users who failed one that says so; their measurements stay empty."""
    table = "users" if job.amount == 1.0 else "ladder"
    short: list[Row] = []
    long: list[Row] = []
    for outcome in outcomes:
        if outcome.failed:
            key = {"user_id": outcome.user_id, "strategy": job.strategy, "amount": job.amount}
            user = {
                "phone": outcome.phone,
                "tier": phones[outcome.phone].tier,
                "network": outcome.network["access"],
                "texts": outcome.texts,
                "style": "+".join(outcome.styles),
                "oracle": outcome.nearest[0] if outcome.nearest else "",
                "fits": FAILED + outcome.failed,
                "wall_s": outcome.wall_s,
            }
            short.append({**key, **user})
            long.append({**key, "error": outcome.failed, "traceback": outcome.traceback})
    together = sorted([*rows.get(table, ()), *short], key=lambda row: row["user_id"])
    return {**rows, table: together, "failures": long}
