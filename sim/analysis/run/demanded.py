"""What is saved by the loss that is demanded: from the best that scratch reaches up to a tenth above it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sim.analysis.bootstrap import mean_intervals
from sim.analysis.everyone import Everyone
from sim.analysis.look.figures import label, looks, new_figure
from sim.analysis.measures import billed
from sim.analysis.rules import MEANING, RESTART, RULES, Tuning
from sim.analysis.tables import Run, write_table
from sim.experiment.names import SCRATCH
from sim.records.savings import share_saved
from sim.records.tables import DEMANDED

DEMANDS = np.arange(21) / 200
"""Shares that the demanded loss lies above the best that the same user reaches from scratch."""
QUANTITIES = {"steps_saved": "", "time_saved_total": "s", "energy_saved_total": "j"}
"""Savings, and the unit of the bill that each is of; steps are measured and have nothing of choosing in them."""


class Arrival(NamedTuple):
    """When users reach a loss, arrays (users,): the step, whether they do, the last step, whether that is not known.

    It is not known where training was ended at a higher loss that had been the target.
    """

    step: np.ndarray
    reached: np.ndarray
    last: np.ndarray
    unknown: np.ndarray


def demanded(run: Run) -> pd.DataFrame:
    """The columns of `sim.records.tables.DEMANDED`, for each strategy, rule, saving and demand that is known.

    A demand is left out for a strategy where it is not known of some user whether it would have been reached. Empty
    where the run has no curves from scratch.
    """
    losses = _losses(run)
    if SCRATCH not in losses:
        return pd.DataFrame(columns=[c.name for c in DEMANDED])
    lowest = np.nan_to_num(losses[SCRATCH], nan=np.inf).min(axis=1)
    best = np.where(np.isinf(lowest), np.nan, lowest)
    sample = Everyone((run,)).sample
    rows: list[tuple[object, ...]] = []
    for strategy in [s for s in losses if s != SCRATCH]:
        keys, columns, shares = [], [], {}
        for above in DEMANDS:
            scratch, mine = (_arrival(run, s, losses[s], best * (1 + above)) for s in (SCRATCH, strategy))
            if mine.unknown.any():
                continue
            shares[above] = mine.reached[~np.isnan(best)].mean()
            for saving, unit in QUANTITIES.items():
                tuning, choosing = _bill(run, strategy, unit, mine, scratch)
                for rule, paid in RULES.items():
                    keys.append((strategy, above, rule, saving))
                    columns.append(share_saved(choosing + paid(tuning), tuning.scratch))
        if keys:
            found = mean_intervals(np.stack(columns, axis=1), sample, run.seed)
            numbers = zip(found.value, found.low, found.high, found.users, strict=True)
            rows += [(*k, *n, shares[k[1]]) for k, n in zip(keys, numbers, strict=True) if n[3]]
    return pd.DataFrame(rows, columns=[c.name for c in DEMANDED])


def write_demanded(run: Run) -> None:
    """Write demanded.csv into the run's folder, where it has curves."""
    if len(table := demanded(run)):
        write_table(run, "demanded", table)


def demanded_loss(run: Run) -> Figure | None:
    """Steps, time and energy saved by the loss demanded, a line a strategy with its 95 % band (rule RESTART)."""
    table = demanded(run)
    shown = table[table["rule"] == RESTART]
    if shown.empty:
        return None
    figure = new_figure(height_in=3.3)
    titles = ("steps of fine-tuning", "time, selection included", "energy, selection included")
    for axes, saving, title in zip(figure.subplots(1, 3, sharey=True), QUANTITIES, titles, strict=True):
        for strategy, look in looks(run.strategies).items():
            mine = shown[(shown["strategy"] == strategy) & (shown["metric"] == saving)]
            if len(mine):
                x, y = 100 * mine["above"], 100 * mine[["low", "mean", "high"]]
                axes.plot(x, y["mean"], label=label(strategy), markevery=2, **look.plot)
                axes.fill_between(x, y["low"], y["high"], color=look.colour, alpha=0.15, linewidth=0)
        axes.axhline(0, color="#222222", linewidth=0.8)
        axes.set_ylim(bottom=max(-200.0, axes.get_ylim()[0]), top=104)
        axes.set_xlim(0, 100 * DEMANDS[-1])
        axes.set_title(title)
        axes.set_xlabel("loss above scratch's best (%)")
    figure.axes[0].set_ylabel("saved against scratch (%)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    title = f"rule {RESTART}: {MEANING}"
    figure.legend(handles, labels, loc="outside upper right", ncols=6, title=title, title_fontsize=8)
    return figure


def _losses(run: Run) -> dict[str, np.ndarray]:
    """Evaluated losses by strategy, shape (users, steps); NaN where none was; the steps are 0 and up."""
    curves = run.curves[run.curves["amount"] == 1.0]
    out: dict[str, np.ndarray] = {}
    for strategy in run.strategies:
        mine = curves[curves["strategy"] == strategy]
        if len(mine):
            grid = np.full((len(run.user_ids), int(curves["step"].max()) + 1), np.nan)
            rows = np.searchsorted(run.user_ids, mine["user_id"].to_numpy(dtype=np.int64))
            grid[rows, mine["step"].to_numpy(dtype=np.int64)] = mine["loss"]
            out[strategy] = grid
    return out


def _arrival(run: Run, strategy: str, losses: np.ndarray, demand: np.ndarray) -> Arrival:
    under = losses <= demand[:, None]
    reached, trained = np.asarray(under.any(axis=1)), ~np.isnan(losses)
    last = losses.shape[1] - 1 - trained[:, ::-1].argmax(1)
    stopped = ((run.wide("censored")[strategy] == 0) & (run.wide("steps_to_target")[strategy] == last)).to_numpy()
    unknown = ~reached & stopped & ~np.isnan(demand) if strategy != SCRATCH else np.zeros_like(reached)
    return Arrival(under.argmax(1).astype(float), reached, last.astype(float), unknown)


def _bill(run: Run, strategy: str, unit: str, mine: Arrival, scratch: Arrival) -> tuple[Tuning, np.ndarray]:
    """What fine-tuning up to a demand costs, and what choosing does, transfers included; arrays (users,)."""
    base, own = (_price(run, s, unit) for s in (SCRATCH, strategy))
    budget = run.config.training.steps if run.config else np.nan
    to_demand = np.where(mine.reached, mine.step, budget) * own
    tuning = Tuning(to_demand, mine.last * own, ~mine.reached, np.where(scratch.reached, scratch.step * base, np.nan))
    parts = [f"{part}_{unit}" for part in ("selection", "download") if unit]
    choosing = [billed(run, column)[strategy].to_numpy() for column in parts]
    choosing += [billed(run, f"upload_{unit}")[strategy].fillna(0).to_numpy()] if unit else []
    return tuning, np.sum(choosing, axis=0) if choosing else np.zeros(len(own))


def _price(run: Run, strategy: str, unit: str) -> np.ndarray:
    """What a step costs each user, shape (users,); of steps themselves 1.

    Who was at the target before the first step has the price of a step from scratch.
    """
    steps = run.wide("steps_to_target")[strategy].to_numpy()
    if not unit:
        return np.where(np.isnan(steps), np.nan, 1.0)
    price = billed(run, f"finetune_{unit}")[strategy].to_numpy() / np.where(steps > 0, steps, np.nan)
    return price if strategy == SCRATCH else np.where(steps == 0, _price(run, SCRATCH, unit), price)
