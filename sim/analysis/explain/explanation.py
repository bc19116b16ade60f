"""The explanation of a user's start, as data: what was chosen and why, what that cost, what scratch would have cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from sim.analysis.measures import per_user
from sim.analysis.rules import Tuning, restart
from sim.analysis.tables import Run, parts_of, records
from sim.analysis.words.quality import quality
from sim.analysis.words.said import Said
from sim.analysis.words.shown import Words, shown
from sim.common.errors import UserError
from sim.experiment.names import SCRATCH
from sim.records.savings import share_saved
from sim.records.tables import FAILED, FITTING


@dataclass(frozen=True)
class Candidate:
    """A pLLM that the phone could choose; a lower score is better."""

    pllm: str
    style: str
    score: float
    rank: int


@dataclass(frozen=True)
class PhoneBill:
    """What one phone was billed by the rule RESTART: minutes, kilojoules, megabytes.

    `steps`: to the target, or where it was missed until training ended (None: not measured).
    """

    selection_min: float
    download_min: float
    finetune_min: float
    energy_kj: float
    down_mb: float
    steps: int | None
    missed: bool

    @property
    def total_min(self) -> float:
        """Minutes from the first download to the target."""
        return self.selection_min + self.download_min + self.finetune_min


@dataclass(frozen=True)
class Explanation:
    """One user's start by one strategy.

    `words` are all that was said of the user, beyond what is said of all pLLMs, `shown` those of them that are shown,
    and `pllm_words` all that was said of each pLLM that was chosen, or that is a candidate. `quality` is how good the
    strategy's explanations of all users are, by `sim.analysis.words.quality.QUALITY`: means, of what is known.

    `explain.text.page` says it in words, `explain.chart.chart` draws it. `scratch` is None where the run has no result
    from scratch, or where that is what is explained.
    """

    user_id: int
    strategy: str
    style: str
    phone: str
    network: str
    texts: int
    fits: str
    why: str
    chosen: tuple[str, ...]
    chosen_styles: tuple[str, ...]
    correct: bool | None
    oracle: str
    words: Words
    shown: Words
    pllm_words: Mapping[str, Words]
    candidates: tuple[Candidate, ...]
    cost: PhoneBill
    scratch: PhoneBill | None
    by_words: bool = True
    """Whether the strategy measures distances in words, and not only says in words what it chose."""
    contrasted: bool = True
    """Whether words say how somebody differs from others; else from what the strategy compares with."""
    quality: Mapping[str, float] = field(default_factory=dict)

    @property
    def chosen_words(self) -> dict[str, Words]:
        """What was said of each chosen pLLM of which anything was."""
        return {pllm: self.pllm_words[pllm] for pllm in self.chosen if self.pllm_words.get(pllm)}

    @property
    def runners_up(self) -> tuple[Candidate, ...]:
        """The candidates that were not chosen, best first."""
        return tuple(c for c in self.candidates if c.pllm not in self.chosen)

    @property
    def billed(self) -> bool:
        """Whether the phone can fine-tune the deployed LLM at all."""
        return self.fits in FITTING

    @property
    def failed(self) -> str:
        """What the user's simulation raised; '' where nothing was."""
        return self.why if self.fits == FAILED else ""


def explain(run: Run, user_id: int, strategy: str = "xpert") -> Explanation:
    """Explain a user's start. Raises UserError when the run has no such user or strategy."""
    run.require(strategy)
    if user_id not in run.user_ids:
        first, last = run.user_ids[0], run.user_ids[-1]
        known = f"{len(run.user_ids)} users from {first} to {last}" if last > first else f"user {first} alone"
        raise UserError(f"user {user_id}: not in this run, which has {known}.")
    rows = {row["strategy"]: row for row in records(run.users[run.users["user_id"] == user_id])}
    if strategy not in rows:
        raise UserError(f"user {user_id}: no result of strategy {strategy!r}; there is {', '.join(rows)}.")
    row = rows[strategy]
    styles = dict(zip(run.pool["pllm"], run.pool["style"], strict=True))
    chosen = parts_of(str(row["chosen"]), styles)
    said = Said.by(strategy, run)
    words = said.of(user_id)
    candidates = _candidates(run, user_id, strategy, styles)
    good = {name: float(values[strategy].mean()) for name, values in quality(run).items()}
    return Explanation(
        user_id=user_id,
        strategy=strategy,
        style=str(row["style"]),
        phone=str(row["phone"]),
        network=str(row["network"]),
        texts=int(row["texts"]),
        fits=str(row["fits"]),
        why=str(row["why"]),
        chosen=chosen,
        chosen_styles=tuple(styles.get(pllm, "") for pllm in chosen),
        correct=None if pd.isna(row["correct"]) else bool(row["correct"]),
        oracle=str(row["oracle"]),
        words=words,
        shown=shown(words),
        pllm_words={pllm: said.of(pllm) for pllm in (*chosen, *(c.pllm for c in candidates))},
        candidates=candidates,
        cost=_bill(row, rows.get(SCRATCH)),
        scratch=_bill(rows[SCRATCH], rows[SCRATCH]) if SCRATCH in rows and strategy != SCRATCH else None,
        by_words=bool(run.words.loc[run.words["strategy"] == strategy, "coordinate"].notna().any()),
        contrasted=said.contrasted,
        quality={name: mean for name, mean in good.items() if not math.isnan(mean)},
    )


def gallery(run: Run, strategy: str, count: int = 5) -> list[Explanation]:
    """Explanations of `count` users, evenly from the one who saved most time, selection included, to the least.

    In a run without scratch they go by minutes; where nothing is billed, by number.
    """
    minutes = per_user(run)["total_min"]
    mine = minutes[strategy]
    order = pd.Series(share_saved(mine, minutes[SCRATCH]), mine.index) if SCRATCH in minutes else -mine
    ordered = order.sort_values(ascending=False, kind="stable").dropna().index
    if len(ordered) == 0:
        ordered = pd.Index(run.users.loc[run.users["strategy"] == strategy, "user_id"])
    count = min(count, len(ordered))
    places = [round(i * (len(ordered) - 1) / max(count - 1, 1)) for i in range(count)]
    return [explain(run, int(ordered[place]), strategy) for place in places]


def _candidates(run: Run, user_id: int, strategy: str, styles: dict[str, str]) -> tuple[Candidate, ...]:
    mine = run.choices[(run.choices["user_id"] == user_id) & (run.choices["strategy"] == strategy)]
    return tuple(
        Candidate(row["pllm"], styles.get(row["pllm"], ""), float(row["score"]), int(row["rank"]))
        for row in records(mine.sort_values("rank"))
    )


def _bill(row: dict[str, Any], scratch: dict[str, Any] | None) -> PhoneBill:
    missed = not pd.isna(row["censored"]) and bool(row["censored"])
    steps = row["steps"] if missed else row["steps_to_target"]

    def tuning(column: str) -> float:
        if not missed or row["strategy"] == SCRATCH:
            return float(row[column])
        base = scratch[column] if scratch else math.nan
        return float(restart(Tuning.of(row[column], row["steps_to_target"], row["steps"], missed, base)))

    return PhoneBill(
        selection_min=float(row["selection_s"]) / 60,
        download_min=float(row["download_s"]) / 60,
        finetune_min=tuning("finetune_s") / 60,
        energy_kj=float(row["selection_j"] + row["download_j"] + tuning("finetune_j")) / 1e3,
        down_mb=float(row["bytes_down"]) / 1e6,
        steps=None if pd.isna(row["steps_to_target"]) else int(steps),
        missed=missed,
    )
