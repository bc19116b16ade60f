"""A run as it would be on record had another LLM been billed: who chose what stays, the bill is made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from sim.analysis.tables import Run, parts_of, read_table
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.ledger.again import Done, bill_again, can_be_billed_again
from sim.ledger.work import Work
from sim.records.manifest import NAME as MANIFEST
from sim.records.tables import FAILED, TABLES

WORK_CSV = "work.csv"


def can_be_rebilled(run: Run) -> bool:
    """Whether a run has on record all that its bill follows from."""
    there = all((run.folder / name).is_file() for name in (WORK_CSV, MANIFEST))
    return there and run.config is not None and can_be_billed_again(run.config)


def rebilled(run: Run, base: str, summarizer: str) -> Run:
    """The run with the bill of other LLMs, named as `llm.deploy` and `llm.summarizer_deploy` are.

    Raises: UserError where the run `can_be_rebilled` not, or its records are broken.
    """
    from sim.serving.requests import handlers  # loads torch, which no other analysis needs

    if run.config is None or not can_be_rebilled(run):
        raise UserError(f"{run.folder}: what its bill follows from is not on record (work.csv, stated steps).")
    changed = [("llm.deploy", base), ("llm.summarizer_deploy", summarizer)]
    config = Config.changed(run.config, changed)
    users = run.users[run.users["fits"] != FAILED]
    rows = bill_again(config, list(_done(run, users)), _text_tokens(run), handlers())
    bills = pd.DataFrame(rows, index=users.index).replace({"": None}).fillna({"why": ""})
    again = {name: bills[name].astype(users[name].dtype) for name in bills.columns}
    return replace(run, config=config, users=users.assign(**again))


def _done(run: Run, users: pd.DataFrame) -> Iterator[Done]:
    """What each row of users.csv did."""
    work = read_table(run.folder / WORK_CSV, TABLES["work"])
    counted: dict[tuple[int, str], Work] = {}
    rows = work[work["amount"] == 1.0][["user_id", "strategy", "work", "llm", "count", "number"]]
    for user, strategy, kind, llm, count, number in rows.itertuples(index=False):
        counted.setdefault((int(user), strategy), Work()).add(kind, llm, **{count: number})
    known = set(run.pool["pllm"])
    columns = users[["user_id", "strategy", "billed_steps", "chosen"]]
    for user, strategy, steps, chosen in columns.itertuples(index=False):
        yield Done(int(user), counted.get((int(user), strategy), Work()), float(steps), len(parts_of(chosen, known)))


def _text_tokens(run: Run) -> float:
    path = run.folder / MANIFEST
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["mean_text_tokens"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: mean_text_tokens cannot be read ({error!r:.80}).") from None
