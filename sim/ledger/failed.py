"""What is recorded of users whose simulation raised (`engine.keep_going`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices import Phone
from sim.ledger.identity import identity_columns
from sim.messages import Job, Outcome
from sim.records.tables import FAILED, Row, Rows


def with_failures(rows: Rows, job: Job, outcomes: Sequence[Outcome], phones: Mapping[str, Phone]) -> Rows:
    """The rows of a job, and for each of its users who failed one that says so; their measurements stay empty."""
    short: list[Row] = []
    long: list[Row] = []
    for outcome in outcomes:
        if outcome.failed:
            how: Row = {"fits": FAILED, "why": outcome.failed, "billed": False}
            short.append({**identity_columns(job, outcome, phones), **how})
            key: Row = {"user_id": outcome.user_id, "strategy": job.strategy, "amount": job.amount}
            long.append({**key, "error": outcome.failed, "traceback": outcome.traceback})
    together = sorted([*rows.get(job.table, ()), *short], key=lambda row: int(row["user_id"] or 0))
    return {**rows, job.table: together, "failures": long}
