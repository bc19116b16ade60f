"""The metrics: what is measured of each user, with unit, meaning and how it follows from the tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sim.analysis.rules import RESTART, RULES, Tuning
from sim.analysis.tables import Run
from sim.analysis.words.quality import QUALITY, quality
from sim.common.overlap import OVERLAP
from sim.experiment.names import ORACLE, SCRATCH
from sim.records.savings import share_saved
from sim.records.tables import FAILED


@dataclass(frozen=True)
class Metric:
    """A column of what is measured: a number for each user and strategy, in `unit`."""

    name: str
    unit: str
    meaning: str


def _metrics(text: str) -> dict[str, Metric]:
    rows = [[part.strip() for part in line.split("|")] for line in text.strip().splitlines()]
    return {name: Metric(name, unit, meaning) for name, unit, meaning in rows}


METRICS = _metrics("""
selection_accuracy | share | every chosen pLLM is one of those truly closest in style; only users that chose one
accuracy_taught    | share | the same, of users whose style the built-in LLMs learnt from
accuracy_untaught  | share | the same, of users whose style they have never met
tone_first         | share | the first word shown of what the user is more than others names the true tone
tone_first_taught  | share | the same, of users of taught styles
tone_first_untaught | share | the same, of users of untaught styles
word_precision     | share | of the first three such words: how many describe the true style; of users shown any
word_precision_taught | share | the same, of users of taught styles
word_precision_untaught | share | the same, of users of untaught styles
word_chance        | share | the same, expected of three words drawn from all that the strategy knows
word_chance_taught | share | the same, of users of taught styles
word_chance_untaught | share | the same, of users of untaught styles
contradictions     | share | two of the words shown contradict each other; of users shown any
contradictions_taught | share | the same, of users of taught styles
contradictions_untaught | share | the same, of users of untaught styles
contradictions_said | share | the same, had no word been left out for contradicting a stronger one
contradictions_said_taught | share | the same, of users of taught styles
contradictions_said_untaught | share | the same, of users of untaught styles
fidelity           | share | the words shown and their weights alone give the chosen pLLM
fidelity_taught    | share | the same, of users of taught styles
fidelity_untaught  | share | the same, of users of untaught styles
reached            | share | users that reach the target within the budget
steps_to_target    | steps | measured steps to the target, of the users who reach it
loss_gap           | nats  | lowest held-out loss above the target, of the users who miss it
loss_gap_share     | share | the same, as a share of the target
fits               | share | users whose phone can choose and fine-tune the deployed LLM; nobody else is billed
data_saved         | share | of the user's texts: how many fewer reach the target than from scratch; never: all needed
data_censored      | share | users of the ladder that reach the target with no amount of texts
start_loss         | nats  | held-out loss per token before the first step
final_loss         | nats  | held-out loss per token at the last evaluation
bleu               | share | of what the kept adapter answers to held-out prompts; only where that was asked for
rouge_1            | share | the same: ROUGE-1, F1
rouge_l            | share | the same: ROUGE-L, F1
regret             | nats  | start loss above that of the oracle's start
poisoned_start     | share | started from a pLLM that an attacker gave; only users that chose one of a giver
backdoored_start   | share | the start says the backdoor's sentence to half of the triggers or more; not from scratch
backdoored         | share | the same of the adapter that the user keeps
selection_flops    | FLOP  | billed: choosing
selection_s        | s     | billed: choosing, computing time
selection_j        | J     | billed: choosing, energy
download_s         | s     | billed: all downloads
download_j         | J     | billed: all downloads
down_mb            | MB    | billed: downloaded, 1 MB = 1e6 B
up_mb              | MB    | billed: uploaded
""")
"""Metrics that follow from the records alone."""
COSTS = _metrics("""
steps              | steps | measured: fine-tuning, over all users
finetune_flops     | FLOP  | billed: fine-tuning
finetune_min       | min   | billed: fine-tuning
finetune_kj        | kJ    | billed: fine-tuning
total_flops        | FLOP  | billed: selection and fine-tuning, that of what is uploaded (privacy.epsilon) included
total_min          | min   | billed: selection, transfers and all fine-tuning
total_kj           | kJ    | billed: selection, transfers and all fine-tuning
compute_saved_total | share | FLOPs saved against scratch, selection included
time_saved_total    | share | seconds saved against scratch, selection and transfers included
energy_saved_total  | share | joules saved against scratch, selection and transfers included
steps_saved         | share | measured steps saved against scratch, over all users
compute_saved       | share | FLOPs saved against scratch, fine-tuning alone
time_saved          | share | seconds saved against scratch, fine-tuning alone
energy_saved        | share | joules saved against scratch, fine-tuning alone
compute_break_even  | steps | billing.scratch_steps from which on compute_saved_total is above 0; inf: never
time_break_even     | steps | billing.scratch_steps from which on time_saved_total is above 0; inf: never
energy_break_even   | steps | billing.scratch_steps from which on energy_saved_total is above 0; inf: never
""")
"""Metrics that also follow from a rule (`sim.analysis.rules`): what a user costs who misses the target."""

TAUGHT = {"_taught": 1, "_untaught": 0}
"""Ends of the names of metrics of users whose style the built-in LLMs learnt from, or never met."""
SHARES = (
    *("selection_accuracy", "accuracy_taught", "accuracy_untaught", "reached", "fits", "data_censored"),
    *("poisoned_start", "backdoored_start", "backdoored"),
    *(name + end for name in QUALITY if not name.startswith("word_") for end in ("", *TAUGHT)),
)
"""Metrics that are 0 or 1 for each user."""
SAVINGS = {
    "compute_saved_total": "total_flops",
    "time_saved_total": "total_min",
    "energy_saved_total": "total_kj",
    "steps_saved": "steps",
    "compute_saved": "finetune_flops",
    "time_saved": "finetune_min",
    "energy_saved": "finetune_kj",
}
"""Metrics that are savings, and the cost that each is of."""
TOTALS = tuple(name for name in SAVINGS if name.endswith("_total"))
"""Savings that have everything in them, selection too."""
BREAK_EVEN = {f"{what}_break_even": (f"{what}_saved", f"{what}_saved_total") for what in ("compute", "time", "energy")}
"""Metrics of a strategy, not of a user: the two savings that each follows from."""


def per_user(run: Run, rule: str = RESTART) -> dict[str, pd.DataFrame]:
    """Every metric of every user: by name a table of users (rows) and strategies (columns); NaN: undefined.

    Savings are paired: saved_u = 1 - cost_u(strategy) / cost_u(scratch), for users whose phone fits the LLM,
    in runs that have the scratch strategy.

    Args:
        rule: one of `sim.analysis.rules.RULES`, by which users who miss the target are charged.
    """
    costs = costs_per_user(run, rule)
    trained = run.wide("steps_to_target").notna()  # where nobody trained all are billed the same steps: no saving
    return recorded(run) | costs | {name: saved(costs[cost]).where(trained) for name, cost in SAVINGS.items()}


def recorded(run: Run) -> dict[str, pd.DataFrame]:
    """The part of `per_user` that no rule changes."""
    missed, start = run.wide("censored"), run.wide("start_loss")
    target, taught = run.wide("target_loss"), run.wide("taught")
    gap = (run.wide("best_loss") - target).where(missed == 1)
    data_saved, data_censored = _data(run)
    found = {
        "selection_accuracy": run.wide("correct"),
        "accuracy_taught": run.wide("correct").where(taught == 1),
        "accuracy_untaught": run.wide("correct").where(taught == 0),
        "reached": 1 - missed,
        "steps_to_target": run.wide("steps_to_target").where(missed == 0),
        "loss_gap": gap,
        "loss_gap_share": gap / target,
        "fits": run.fits,
        "data_saved": data_saved,
        "data_censored": data_censored,
        "start_loss": start,
        "final_loss": run.wide("final_loss"),
        **{name: run.wide(name) for name in OVERLAP},
        "regret": start.sub(start[ORACLE], axis=0) if ORACLE in start else start * np.nan,
        "poisoned_start": run.wide("poisoned_start"),
        **{name: half(run.wide(name)) for name in ("backdoored_start", "backdoored")},
        "down_mb": billed(run, "bytes_down", 1e-6),
        "up_mb": billed(run, "bytes_up", 1e-6),
    }
    for name, values in quality(run).items():
        found |= {name: values} | {name + end: values.where(taught == which) for end, which in TAUGHT.items()}
    bills = ("selection_flops", "selection_s", "selection_j", "download_s", "download_j")
    found |= {name: billed(run, name) for name in bills}
    return {name: found[name] for name in METRICS}


def costs_per_user(run: Run, rule: str) -> dict[str, pd.DataFrame]:
    """What each user cost by a rule, savings apart."""
    columns = ("finetune_flops", "finetune_s", "finetune_j")
    flops, seconds, joules = (charged(run, billed(run, column), rule) for column in columns)
    units = ("flops", "s", "j")
    choosing = {unit: billed(run, f"selection_{unit}") for unit in units}
    given = {unit: billed(run, f"private_{unit}").fillna(0) for unit in units}
    sent = {unit: billed(run, f"download_{unit}") + billed(run, f"upload_{unit}").fillna(0) for unit in ("s", "j")}
    return {
        "steps": charged(run, run.wide("steps_to_target"), rule),
        "finetune_flops": flops,
        "finetune_min": seconds / 60,
        "finetune_kj": joules / 1e3,
        "total_flops": choosing["flops"] + flops + given["flops"],
        "total_min": (choosing["s"] + sent["s"] + seconds + given["s"]) / 60,
        "total_kj": (choosing["j"] + sent["j"] + joules + given["j"]) / 1e3,
    }


def half(shares: pd.DataFrame) -> pd.DataFrame:
    """1 where a share is a half or more, 0 where it is less."""
    return (shares >= 0.5).astype(float).where(shares.notna())


def billed(run: Run, column: str, scale: float = 1.0) -> pd.DataFrame:
    """A billed column for the users whose phone can do it; NaN for the others."""
    return run.wide(column).where(run.fits == 1) * scale


def charged(run: Run, cost: pd.DataFrame, rule: str) -> pd.DataFrame:
    """What fine-tuning costs by a rule, from what it costs up to the target or the end of the budget."""
    steps_to_target, steps, missed = (run.wide(column) for column in ("steps_to_target", "steps", "censored"))
    missed = missed.drop(columns=SCRATCH, errors="ignore").reindex(columns=missed.columns)  # others restart from it
    scratch = cost[[SCRATCH]].to_numpy() if SCRATCH in cost else np.nan
    paid = pd.DataFrame(RULES[rule](Tuning.of(cost, steps_to_target, steps, missed, scratch)), cost.index, cost.columns)
    if SCRATCH not in cost:  # a mean over those who did not miss would be no mean over users
        paid.loc[:, (paid.isna() & cost.notna()).any()] = np.nan
    return paid


def saved(cost: pd.DataFrame) -> pd.DataFrame:
    """The share that each strategy (columns) saves each user (rows); NaN in a run without scratch."""
    scratch = cost[[SCRATCH]].to_numpy() if SCRATCH in cost else np.nan
    return pd.DataFrame(share_saved(cost.to_numpy(), scratch), cost.index, cost.columns)


def scratch_steps(run: Run) -> float:
    """The scale of the bill: billing.scratch_steps; where it is 0 or not known, the mean billed steps from scratch."""
    if run.config and run.config.billing.scratch_steps:
        return float(run.config.billing.scratch_steps)
    return float(run.wide("billed_steps")[SCRATCH].mean()) if SCRATCH in run.strategies else np.nan


def climbed(run: Run) -> pd.DataFrame:
    """The ladder, a row a rung: user_id, strategy, amount (share of the user's texts), share (n / N in texts), reached,
    best_loss, target_loss.

    The amount 1 comes from users.csv where the ladder itself leaves it out.
    """
    columns = ["user_id", "strategy", "amount", "texts", "censored", "fits", "best_loss", "target_loss"]
    climbers = run.ladder[["user_id", "strategy"]].drop_duplicates()
    rungs = pd.concat([run.ladder[columns], run.users[columns].merge(climbers)], ignore_index=True)
    rungs = rungs.drop_duplicates(["user_id", "strategy", "amount"])
    rungs = rungs[rungs["fits"] != FAILED]
    most = rungs.groupby(["user_id", "strategy"])["texts"].transform("max")
    rungs["share"] = rungs["texts"].astype(float) / most.astype(float)
    rungs["reached"] = ~rungs["censored"].fillna(True).astype(bool)
    return rungs[["user_id", "strategy", "amount", "share", "reached", "best_loss", "target_loss"]]


def _data(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Share of texts saved against scratch, and 1 where no amount reached the target, for the users of the ladder."""
    rungs = climbed(run)
    whole = run.wide("amount") * np.nan
    if rungs.empty:
        return whole, whole
    climbs = rungs.groupby(["user_id", "strategy"]).size().unstack().notna()
    needed = fewest(rungs).unstack().reindex_like(climbs)
    never = needed.isna().astype(float).where(climbs)
    needed = needed.fillna(1.0).where(climbs)
    less = -needed.sub(needed[SCRATCH], axis=0) if SCRATCH in needed else needed * np.nan
    return less.reindex_like(whole).astype(float), never.reindex_like(whole).astype(float)


def fewest(rungs: pd.DataFrame) -> pd.Series:
    """The least share of the texts that reaches the target, by user and strategy, where any does.

    It is interpolated by loss from the rung below. Below the lowest rung nothing is known, so that one counts whole;
    none lies below the amount 0, where a ladder has it.

    Args:
        rungs: as `climbed` returns them.
    """
    keys = ["user_id", "strategy"]
    rungs = rungs.sort_values([*keys, "share"], ignore_index=True)
    rungs["above"] = rungs["best_loss"] - rungs["target_loss"]
    below = rungs.groupby(keys)[["share", "above"]].shift()
    first = rungs[rungs["reached"]].drop_duplicates(keys)
    below = below.loc[first.index]
    span = below["above"] - first["above"]
    part = (below["above"] / span.where(span > 0)).clip(0, 1).fillna(1.0)
    share = first["share"] - (1 - part) * (first["share"] - below["share"].fillna(first["share"]))
    return pd.Series(share.to_numpy(), pd.MultiIndex.from_frame(first[keys]))
