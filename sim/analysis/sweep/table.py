"""runs.csv: the runs of a sweep in one table, a row a run and strategy; written from summaries, read for the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from sim.analysis.rules import RESTART
from sim.analysis.summary import by_key, summarise, summary_of
from sim.analysis.tables import check_names, is_run, load_run, records
from sim.common.errors import UserError
from sim.experiment.config import Config

RUNS = "runs.csv"
SHOWN = (
    *("selection_accuracy", "reached", "steps_to_target", "loss_gap_share", "fits"),
    *("compute_saved_total", "compute_break_even", "time_saved_total", "time_break_even", "energy_saved_total"),
    *("energy_break_even", "steps_saved", "compute_saved", "data_saved", "start_loss", "regret"),
    *("selection_s", "selection_j", "download_s", "down_mb", "steps", "total_flops", "total_min", "total_kj"),
)
"""The metrics of runs.csv, in the units of `sim.analysis.measures`, by the rule RESTART: each with `PARTS` behind."""
REPLICATED = ("seed", "pool.seed")
"""Keys whose values ask the same again."""
PARTS = {"": "mean", "_low": "low", "_high": "high", "_median": "median"}
"""Suffixes of a metric's columns, by column of summary.csv: mean, its 95 % interval, median over users."""


def runs_table(runs: Sequence[tuple[Path, Mapping[str, Any]]]) -> pd.DataFrame:
    """One row for each run and strategy, from the runs' summaries.

    Columns: folder, the swept keys, strategy, rule, users, then four columns for each metric of `SHOWN`.

    Args:
        runs: folder and swept values of each run, in the order of the rows.
    """
    return pd.DataFrame([row for folder, values in runs for row in _rows(folder.name, values, summary_of(folder))])


def _rows(name: str, values: Mapping[str, Any], summary: pd.DataFrame) -> list[dict[str, Any]]:
    found, rows = by_key(summary), []
    for strategy in dict.fromkeys(summary["strategy"]):
        row = {"folder": name, **values, "strategy": strategy, "rule": RESTART, "users": 0}
        for metric in SHOWN:
            cell = found.get((strategy, metric), {})
            row["users"] = max(row["users"], int(cell.get("users", 0)))
            row |= {metric + suffix: cell.get(part, nan) for suffix, part in PARTS.items()}
        rows.append(row)
    return rows


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep's runs.csv; `keys` are the swept keys, in order."""

    folder: Path
    keys: tuple[str, ...]
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """All strategies, in the order of runs.csv."""
        return tuple(dict.fromkeys(self.rows["strategy"]))

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a run: folder and swept values."""
        return self.rows[["folder", *self.keys]].drop_duplicates(ignore_index=True)

    @cached_property
    def configs(self) -> dict[str, Config]:
        """The config of every run whose folder is there."""
        paths = {name: self.folder / name / "config.toml" for name in self.runs["folder"]}
        return {name: Config.of_run(path) for name, path in paths.items() if path.is_file()}

    @cached_property
    def pooled(self) -> Sweep:
        """Runs that differ in seeds alone taken together; this sweep where there are none, or no records."""
        keys = [key for key in self.keys if key not in REPLICATED]
        folders = [self.folder / name for name in self.runs["folder"]]
        if len(keys) == len(self.keys) or not all(map(is_run, folders)):
            return self
        groups: dict[tuple[Any, ...], list[Path]] = {}
        for row, folder in zip(records(self.runs), folders, strict=True):
            groups.setdefault(tuple(row[key] for key in keys), []).append(folder)
        rows = []
        for values, some in groups.items():
            name = f"{len(some)} replicates" if len(some) > 1 else some[0].name
            rows += _rows(name, dict(zip(keys, values, strict=True)), summarise(*map(load_run, some)))
        return Sweep(self.folder, tuple(keys), pd.DataFrame(rows))

    def has(self, metric: str) -> bool:
        """Whether any run knows the metric."""
        return bool(self.rows[metric].notna().any())

    def setting(self, key: str, folder: str) -> Any:
        """The value of a dotted key in a run's config; None where it is not known."""
        found: Any = self.configs[folder].model_dump() if folder in self.configs else {}
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds the runs.csv of a sweep."""
    return (folder / RUNS).is_file()


def load_sweep(folder: Path) -> Sweep:
    """Read a sweep folder. Raises UserError when its runs.csv is missing or broken."""
    path = folder / RUNS
    numbers = {"users": "int64"} | {metric + suffix: "float64" for metric in SHOWN for suffix in PARTS}
    try:
        columns = [str(column) for column in pd.read_csv(path, nrows=0)]
        types = dict.fromkeys(columns, "str") | numbers
        blank = {name: [""] for name in numbers}  # a swept key may well have the value "None"
        rows = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=blank)
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split()).rstrip('.')}.") from error
    old = "rule" not in columns  # from before savings had rules, so it is made anew from the records
    if missing := [c for c in ("folder", "strategy", *(() if old else numbers)) if c not in columns]:
        raise UserError(f"{path}: column {missing[0]!r} is missing.")
    keys = tuple(columns[columns.index("folder") + 1 : columns.index("strategy")])
    check_names(path, rows[["folder", "strategy", *keys]])
    rows = rows.assign(**{key: _swept(rows[key]) for key in keys})
    if old:
        runs = records(rows[["folder", *keys]].drop_duplicates())
        try:
            rows = runs_table([(folder / row["folder"], {key: row[key] for key in keys}) for row in runs])
        except UserError as error:
            raise UserError(f"{path}: from before savings had rules, and cannot be made anew. {error}") from error
    return Sweep(folder, keys, rows.copy())  # in one piece: pandas keeps a hundred columns read apart


def _swept(values: pd.Series) -> pd.Series:
    """The values of a swept key, as numbers where all were written as such: "01" and "true" are text."""
    try:
        found = [json.loads(value) for value in values]
    except (ValueError, RecursionError):
        return values
    pairs = zip(found, values, strict=True)
    if all(
        type(number) in (int, float) and abs(number) < 1e15 and json.dumps(number) == text for number, text in pairs
    ):
        return pd.Series(found, index=values.index)
    return values


def listed(values: Sequence[Any]) -> str:
    """Values as a reader wants them: 14, 28 and 56."""
    texts = [str(v) if isinstance(v, str) else json.dumps(v, default=float) for v in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
