"""What attackers cost honest users, by their share: each user compared with itself in the run that nobody attacks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sim.analysis.bootstrap import Sample, mean_intervals
from sim.analysis.look.figures import ERROR_BARS, label, looks, new_figure
from sim.analysis.measures import per_user
from sim.analysis.run.compare import unpaired_for
from sim.analysis.summary import by_key
from sim.analysis.sweep.table import Setting, Sweep
from sim.analysis.tables import is_run
from sim.experiment.names import SCRATCH

KEY = "attackers.share"
LOST = ("compute_saved_total", "time_saved_total", "reached")
"""What honest users lose of: shares, by the rule RESTART."""
SUFFERED = ("poisoned_start", "backdoored")
"""What is said of the run with attackers as it is."""


@lru_cache(maxsize=1)
def lost(sweep: Sweep) -> pd.DataFrame:
    """One row for each setting with attackers and strategy but scratch, in a sweep over their share that has 0 in it.

    Columns: the swept keys but for seeds, strategy, users (who are honest in both, all replicates together); of each
    metric of `LOST` how much less it is than for the same users without attackers (X, X_low, X_high, 95 % intervals,
    shares); and the metrics of `SUFFERED`. Empty where that cannot be said.
    """
    if KEY not in sweep.keys or not all(is_run(sweep.folder / name) for name in sweep.runs["folder"]):
        return pd.DataFrame()
    peace = {_others(s.values): s for s in sweep.settings if float(s.values[KEY]) == 0}
    rows: list[dict[str, Any]] = []
    for setting in sweep.settings:
        base = peace.get(_others(setting.values))
        if float(setting.values[KEY]) == 0 or base is None or not _paired(base, setting):
            continue
        found = by_key(setting.summary)
        for strategy, less in _less(base, setting).items():
            row = {**setting.values, "strategy": strategy, **less}
            rows.append(row | {name: found.get((strategy, name), {}).get("mean", np.nan) for name in SUFFERED})
    return pd.DataFrame(rows)


def _others(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a setting is apart from its attackers."""
    return tuple(value for key, value in values.items() if not key.startswith("attackers."))


def _paired(base: Setting, setting: Setting) -> bool:
    """Whether the users of both are the same persons."""
    pairs = zip(base.runs, setting.runs, strict=False)
    return len(base.runs) == len(setting.runs) and not any(unpaired_for(*pair) for pair in pairs)


def _less(base: Setting, setting: Setting) -> dict[str, dict[str, Any]]:
    """By strategy: how much less than in peace each metric is, over the users who are honest in both."""
    names = [s for s in setting.runs[0].strategies if s != SCRATCH and s in base.runs[0].strategies]
    parts, styles, homes = [], [], []
    for at, (a, b) in enumerate(zip(base.runs, setting.runs, strict=True)):
        shared = np.intersect1d(a.user_ids, b.user_ids)
        one, other = (
            np.stack([metrics[m][names].loc[shared].to_numpy(dtype=float) for m in LOST], axis=2)
            for metrics in (per_user(a), per_user(b))
        )
        parts.append(one - other)
        styles.append(pd.Series(b.styles, b.user_ids).loc[shared].to_numpy(dtype=str))
        homes.append(np.full(len(shared), at))
    sample, differences = Sample.of(np.concatenate(styles), np.concatenate(homes)), np.concatenate(parts)
    out: dict[str, dict[str, Any]] = {}
    for i, strategy in enumerate(names):
        found = mean_intervals(differences[:, i], sample, setting.runs[0].seed)
        out[strategy] = {"users": int(found.users.max())}
        for at, metric in enumerate(LOST):
            out[strategy] |= {metric: found.value[at], f"{metric}_low": found.low[at], f"{metric}_high": found.high[at]}
    return out


def by_share(table: pd.DataFrame) -> Figure | None:
    """Compute lost over the share of attackers, a line a strategy, a panel for each other setting (as policies)."""
    if table.empty:
        return None
    keys = [key for key in table.columns[: table.columns.get_loc("strategy")] if key != KEY]
    panels = list(table.groupby(keys, sort=False)) if keys else [((), table)]
    figure = new_figure(height_in=3.0)
    for axes, (values, part) in zip(
        figure.subplots(1, len(panels), squeeze=False, sharey=True)[0], panels, strict=True
    ):
        for strategy, look in looks(tuple(dict.fromkeys(table["strategy"]))).items():
            mine = part[part["strategy"] == strategy].sort_values(KEY)
            x, y = 100 * mine[KEY].to_numpy(dtype=float), 100 * mine[LOST[0]].to_numpy()
            low, high = (100 * mine[f"{LOST[0]}_{end}"].to_numpy() for end in ("low", "high"))
            axes.plot([0, *x], [0, *y], label=label(strategy), **look.plot)
            bars = ERROR_BARS | {"ecolor": look.colour}  # they lie over each other
            axes.errorbar(x, y, yerr=np.nan_to_num([y - low, high - y]), fmt="none", **bars)
        axes.set_title(", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True)), fontsize=8)
        axes.set_xlabel("attackers (% of users)")
        axes.axhline(0, color="#222222", linewidth=0.8)
    figure.axes[0].set_ylabel("compute lost (percentage points)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=6)
    return figure
