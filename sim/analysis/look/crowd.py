"""What a page is given to count for itself, whichever users its reader picks: sums by tier and style, never estimates.

Means that a page makes of them are exact whatever is picked; an interval is given where it has been drawn here, by the
same bootstrap as everywhere: of all users, of one tier, of one style.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from devices.phones import TIERS
from sim.analysis.bootstrap import mean_intervals, share_intervals, sums
from sim.analysis.everyone import Everyone
from sim.analysis.measures import SHARES
from sim.analysis.summary import by_key
from sim.analysis.tables import held

SAVED = ("compute_saved_total", "time_saved_total", "energy_saved_total", "steps_saved")
"""The savings of which a page shows how they are distributed."""
COUNTED = ("selection_accuracy", "reached", "steps_to_target", *SAVED, "total_min")
"""The metrics of which a page makes means."""
LISTED = ("selection_accuracy", "reached", "steps", *SAVED[:3], "total_min")
"""The metrics of each user in the list of users."""
BIN, LOWEST = 5, -100
"""Width of a bar of a distribution, and where the first begins; all that is lower is one bar (both in per cent)."""
MOST_STYLES = 40
"""Styles that can be picked: those of most users. The others are one."""
MOST_STEPS = 21
"""Steps at which mean losses are kept."""

Plain = dict[str, object]
"""What becomes JSON."""


@dataclass(frozen=True, eq=False)
class Crowd:
    """Users who were all asked the same, under a name, and the summary that is printed of them."""

    name: str
    everyone: Everyone
    summary: pd.DataFrame

    @cached_property
    def metrics(self) -> dict[str, pd.DataFrame]:
        """Every metric of every user, by the rule RESTART."""
        return self.everyone.metrics()

    @cached_property
    def tiers(self) -> tuple[list[str], np.ndarray]:
        """Names of the phones' tiers, the poorest first, and each user's (users,)."""
        mine = self.everyone.trait("tier")
        names = [t for t in TIERS if t in set(mine)] + sorted(set(mine) - set(TIERS))
        return names, _codes(mine, names)

    @cached_property
    def styles(self) -> tuple[list[str], np.ndarray]:
        """Names of the styles that can be picked, and each user's (users,)."""
        mine = self.everyone.trait("style")
        names, counts = np.unique(mine, return_counts=True)
        if len(names) <= MOST_STYLES:
            return names.tolist(), _codes(mine, names.tolist())
        often = sorted(names[np.argsort(-counts, kind="stable")[: MOST_STYLES - 1]].tolist())
        rest = f"all other styles ({len(names) - len(often)})"
        return [*often, rest], np.where(np.isin(mine, often), _codes(mine, often), len(often))

    @cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """The pairs of tier and style that some user has, shape (cells, 2), and each user's, shape (users,)."""
        pairs = np.stack([self.tiers[1], self.styles[1]], axis=1)
        found, mine = np.unique(pairs, axis=0, return_inverse=True)
        return found, mine.reshape(-1)

    def counted(self) -> Plain:
        """All that a page needs but for the list of users; lists along cells have a row for each pair."""
        pairs, mine = self.cells
        totals = {name: _totals(self.metrics[name].to_numpy(dtype=float), mine) for name in COUNTED}
        return {
            "name": self.name,
            "users": len(mine),
            "tiers": self.tiers[0],
            "styles": self.styles[0],
            "cells": np.column_stack([pairs, np.bincount(mine)]).tolist(),
            "counts": {name: count.astype(int).tolist() for name, (_, count) in totals.items()},
            "sums": {name: total.tolist() for name, (total, _) in totals.items()},
            "bins": {name: self._bins(name) for name in SAVED},
            "curves": self._curves(),
            "intervals": {
                "all": self._summarised(),
                "tier": self._intervals(self.tiers),
                "style": self._intervals(self.styles),
            },
        }

    def listed(self, rows: int) -> Plain:
        """As many users as make up to so many rows, evenly over all: columns of a table with a row a user and strategy.

        `every`: one user in so many; 1 where they are all there.
        """
        everyone, strategies = self.everyone, self.everyone.strategies
        users = len(everyone.run)
        every = max(1, -(-users * len(strategies) // max(rows, 1)))
        some = np.arange(0, users, every)
        ids = np.concatenate([run.user_ids for run in everyone.runs])[some]
        texts = {name: everyone.trait(name)[some] for name in ("tier", "style", "phone")}
        return {
            "every": every,
            "users": len(some),
            "run": everyone.run[some].tolist() if len(everyone.runs) > 1 else [],
            "user": ids.tolist(),
            "cell": self.cells[1][some].tolist(),
            "texts": {name: _told(values) for name, values in texts.items()},
            "chosen": _told(self._chosen()[some]),
            "numbers": {
                name: _short(self.metrics[name].to_numpy(dtype=float)[some].ravel(), 4) for name in LISTED
            },
        }  # fmt: skip

    def _chosen(self) -> np.ndarray:
        """The pLLM that each user chose with each strategy, '' for none: shape (users, strategies)."""
        parts = []
        for run in self.everyone.runs:
            names = run.users.pivot(index="user_id", columns="strategy", values="chosen")
            parts.append(names.reindex(index=run.user_ids, columns=list(self.everyone.strategies)).fillna(""))
        return pd.concat(parts).to_numpy(dtype=str)

    def _bins(self, name: str) -> list[int]:
        """How many users of each cell and strategy save how much: cell, strategy, bar (-1: lower than all), users."""
        values = np.round(100 * self.metrics[name].to_numpy(dtype=float), 9)
        user, strategy = np.nonzero(~np.isnan(values))
        bars = np.clip((values[user, strategy] - LOWEST) // BIN, -1, (100 - LOWEST) // BIN - 1).astype(int)
        found, users = np.unique(np.stack([self.cells[1][user], strategy, bars]), axis=1, return_counts=True)
        return [int(number) for number in np.concatenate([found, users[None]]).T.ravel()]

    def _curves(self) -> Plain:
        """Sums and counts of held losses by cell, strategy and step, and the 95 % band of all users."""
        runs, strategies = self.everyone.runs, self.everyone.strategies
        curves = [run.curves[run.curves["amount"] == 1.0] for run in runs]
        steps = np.unique(np.concatenate([c["step"].to_numpy(dtype=np.int64) for c in curves]))
        if not len(steps):
            return {"steps": []}
        kept = steps[np.unique(np.linspace(0, len(steps) - 1, MOST_STEPS).round().astype(int))]
        parts, bands = [], []
        for strategy in strategies:
            losses = np.full((len(self.everyone.run), len(kept)), np.nan)
            for place, (run, mine) in enumerate(zip(runs, curves, strict=True)):
                found = held(mine[mine["strategy"] == strategy], int(steps[-1]))
                found = found.reindex(columns=steps).ffill(axis=1).reindex(index=run.user_ids, columns=kept)
                losses[self.everyone.run == place] = found.to_numpy(dtype=float)
            parts.append(_totals(losses, self.cells[1]))
            band = mean_intervals(losses, self.everyone.sample, self.everyone.seed)
            bands.append([_short(band.low, 6), _short(band.high, 6)])
        return {
            "steps": kept.tolist(),
            "sums": [_short(total.ravel(), 8) for total, _ in parts],
            "counts": [count.astype(int).ravel().tolist() for _, count in parts],
            "bands": bands,
        }

    def _summarised(self) -> Plain:
        """The intervals of all users, as the summary has them."""
        found = by_key(self.summary)
        ends: Plain = {}
        for name in COUNTED:
            rows = [found.get((strategy, name), {}) for strategy in self.everyone.strategies]
            ends[name] = [_short([row.get(end, np.nan) for end in ("low", "high")], 17) for row in rows]
        return ends

    def _intervals(self, kinds: tuple[list[str], np.ndarray]) -> list[Plain]:
        """The intervals of the users of each kind."""
        return [self._interval(kinds[1] == code) for code in range(len(kinds[0]))]

    def _interval(self, some: np.ndarray) -> Plain:
        everyone = self.everyone
        ends: Plain = {}
        sample = everyone.sample_of(some)
        for shares in (True, False):
            names = [name for name in COUNTED if (name in SHARES) == shares]
            values = np.hstack([self.metrics[name].to_numpy(dtype=float)[some] for name in names])
            found = share_intervals(values, sample) if shares else mean_intervals(values, sample, everyone.seed)
            low, high = (part.reshape(len(names), -1) for part in (found.low, found.high))
            ends |= {
                name: [_short(pair, 6) for pair in zip(*bounds, strict=True)]
                for name, *bounds in zip(names, low, high, strict=True)
            }
        return ends


def _codes(values: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The place of each value among the names; 0 for one that is not there."""
    place = {name: i for i, name in enumerate(names)}
    return np.array([place.get(value, 0) for value in values.tolist()], dtype=np.int64)


def _told(values: np.ndarray) -> Plain:
    """Text as its names and, along `values`, the place of each among them."""
    names, places = np.unique(values, return_inverse=True)
    return {"names": names.tolist(), "codes": places.ravel().tolist()}


def _totals(values: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sum over each unit's users of what is known, and of how many it is known: shape (units, columns)."""
    known = ~np.isnan(values)
    return sums(np.where(known, values, 0.0), units), sums(known.astype(float), units)


def _short(values: Sequence[float] | np.ndarray, digits: int) -> list[float | None]:
    """Numbers to so many digits; None for what is not known or not finite."""
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in np.asarray(values).tolist()]
