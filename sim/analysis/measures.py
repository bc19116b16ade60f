"""The metrics: what is measured of each user, with unit, meaning and how it follows from the tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sim.analysis.tables import Run
from sim.experiment.names import ORACLE, SCRATCH
from sim.records.savings import share_saved
from sim.records.tables import FAILED, FITTING


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
steps_to_target    | steps | measured steps to the target loss; the budget where it was not reached
censored           | share | users that did not reach the target within the budget
fits               | share | users whose phone can choose and fine-tune the deployed LLM; nobody else is billed
compute_saved       | share | FLOPs saved against scratch, fine-tuning to the target only
compute_saved_total | share | FLOPs saved against scratch, selection included
time_saved          | share | seconds saved against scratch, fine-tuning to the target only
time_saved_total    | share | seconds saved against scratch, selection and downloads included
energy_saved        | share | joules saved against scratch, fine-tuning to the target only
energy_saved_total  | share | joules saved against scratch, selection and downloads included
steps_saved         | share | measured steps saved against scratch
data_saved          | share | texts saved: 1 - n / N, n the fewest texts that reach the target; never: 0 saved
data_censored       | share | users of the ladder that reach the target with no amount of texts
start_loss         | nats  | held-out loss per token before the first step
final_loss         | nats  | held-out loss per token at the last evaluation
regret             | nats  | start loss above that of the oracle's start
selection_flops    | FLOP  | billed: choosing
selection_s        | s     | billed: choosing, computing time
selection_j        | J     | billed: choosing, energy
download_s         | s     | billed: all downloads
download_j         | J     | billed: all downloads
down_mb            | MB    | billed: downloaded, 1 MB = 1e6 B
up_mb              | MB    | billed: uploaded
finetune_flops     | FLOP  | billed: fine-tuning to the target
finetune_min       | min   | billed: fine-tuning to the target
finetune_kj        | kJ    | billed: fine-tuning to the target
total_flops        | FLOP  | billed: selection and fine-tuning
total_min          | min   | billed: selection, downloads and fine-tuning
total_kj           | kJ    | billed: selection, downloads and fine-tuning
""")

SAVINGS = tuple(name for name in METRICS if name.endswith(("_saved", "_saved_total")))


def per_user(run: Run) -> dict[str, pd.DataFrame]:
    """Every metric of every user: by name a table of users (rows) and strategies (columns); NaN: undefined.

    Savings are paired: saved_u = 1 - cost_u(strategy) / cost_u(scratch), for users whose phone fits the LLM,
    in runs that have the scratch strategy.
    """
    known = (run.users["fits"] != "") & ~run.users["fits"].str.startswith(FAILED)
    fits = run.wide(run.users["fits"].isin(FITTING).where(known))

    def billed(column: str, scale: float = 1.0) -> pd.DataFrame:
        return run.wide(column).where(fits == 1) * scale

    choose = {unit: billed(f"selection_{unit}") for unit in ("flops", "s", "j")}
    tune = {unit: billed(f"finetune_{unit}") for unit in ("flops", "s", "j")}
    load = {unit: billed(f"download_{unit}") for unit in ("s", "j")}
    total = {
        "flops": choose["flops"] + tune["flops"],
        "s": choose["s"] + load["s"] + tune["s"],
        "j": choose["j"] + load["j"] + tune["j"],
    }
    steps, start = run.wide("steps_to_target"), run.wide("start_loss")
    trained = steps.notna()  # where nobody trained all are billed the same steps, which saves nothing and shows nothing
    data_saved, data_censored = _data(run)
    found = {
        "selection_accuracy": run.wide("correct"),
        "steps_to_target": steps,
        "censored": run.wide("censored"),
        "fits": fits,
        "compute_saved": _saved(tune["flops"]).where(trained),
        "compute_saved_total": _saved(total["flops"]).where(trained),
        "time_saved": _saved(tune["s"]).where(trained),
        "time_saved_total": _saved(total["s"]).where(trained),
        "energy_saved": _saved(tune["j"]).where(trained),
        "energy_saved_total": _saved(total["j"]).where(trained),
        "steps_saved": _saved(steps),
        "data_saved": data_saved,
        "data_censored": data_censored,
        "start_loss": start,
        "final_loss": run.wide("final_loss"),
        "regret": start.sub(start[ORACLE], axis=0) if ORACLE in start else start * np.nan,
        "selection_flops": choose["flops"],
        "selection_s": choose["s"],
        "selection_j": choose["j"],
        "download_s": load["s"],
        "download_j": load["j"],
        "down_mb": billed("bytes_down", 1e-6),
        "up_mb": billed("bytes_up", 1e-6),
        "finetune_flops": tune["flops"],
        "finetune_min": tune["s"] / 60,
        "finetune_kj": tune["j"] / 1e3,
        "total_flops": total["flops"],
        "total_min": total["s"] / 60,
        "total_kj": total["j"] / 1e3,
    }
    return {name: found[name] for name in METRICS}


def climbed(run: Run) -> pd.DataFrame:
    """The ladder, a row a rung: user_id, strategy, amount (share of the user's texts), share (n / N in texts), reached.

    The amount 1 comes from users.csv where the ladder itself leaves it out.
    """
    columns = ["user_id", "strategy", "amount", "texts", "censored", "fits"]
    climbers = run.ladder[["user_id", "strategy"]].drop_duplicates()
    rungs = pd.concat([run.ladder[columns], run.users[columns].merge(climbers)], ignore_index=True)
    rungs = rungs.drop_duplicates(["user_id", "strategy", "amount"])
    rungs = rungs[~rungs["fits"].str.startswith(FAILED)]
    most = rungs.groupby(["user_id", "strategy"])["texts"].transform("max")
    rungs["share"] = rungs["texts"].astype(float) / most.astype(float)
    rungs["reached"] = ~rungs["censored"].fillna(True).astype(bool)
    return rungs[["user_id", "strategy", "amount", "share", "reached"]]


def _data(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Share of texts saved, and 1 where no amount reached the target, for the users of the ladder."""
    rungs = climbed(run)
    rungs["needed"] = rungs["share"].where(rungs["reached"])
    fewest = rungs.groupby(["user_id", "strategy"])["needed"].min().unstack("strategy")
    climbs = rungs.groupby(["user_id", "strategy"]).size().unstack("strategy").notna()
    saved = (1 - fewest).fillna(0.0).where(climbs)
    never = fewest.isna().astype(float).where(climbs)
    whole = run.wide("amount") * np.nan
    return saved.reindex_like(whole).astype(float), never.reindex_like(whole).astype(float)


def _saved(cost: pd.DataFrame) -> pd.DataFrame:
    """The share that each strategy (columns) saves each user (rows); NaN in a run without scratch."""
    scratch = cost[[SCRATCH]].to_numpy() if SCRATCH in cost else np.nan
    return pd.DataFrame(share_saved(cost.to_numpy(), scratch), cost.index, cost.columns)
