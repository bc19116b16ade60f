"""runs.csv: the runs of a sweep in one table, a row a run and strategy; written from summaries, read for the report.

Runs that differ in seeds alone are replicates of one setting, and their users are taken together: summary.csv.
"""

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
from sim.analysis.summary import COLUMNS, SUMMARY_CSV, by_key, interval, number, summarise, summary_of
from sim.analysis.tables import Run, check_names, is_run, load_run, records
from sim.common.disk import write_whole
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.names import SEEDS
from sim.records.cells import header, read_cells
from sim.records.shelf import RUNS

SHOWN = (
    *("selection_accuracy", "reached", "steps_to_target", "loss_gap_share", "fits"),
    *("compute_saved_total", "compute_break_even", "time_saved_total", "time_break_even", "energy_saved_total"),
    *("energy_break_even", "steps_saved", "compute_saved", "data_saved", "start_loss", "regret"),
    *("selection_s", "selection_j", "download_s", "down_mb", "steps", "total_flops", "total_min", "total_kj"),
)
"""The metrics of runs.csv, in the units of `sim.analysis.measures`, by the rule RESTART: each with `PARTS` behind."""
BRIEF = ("selection_accuracy", "reached", "compute_saved_total", "time_saved_total", "total_min")
"""Those of them that a terminal has room for."""
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
class Setting:
    """A point of a sweep's grid, by the swept keys but for seeds, and the folders of its runs: the replicates."""

    values: Mapping[str, Any]
    folders: tuple[Path, ...]

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The replicates' tables."""
        return tuple(map(load_run, self.folders))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The summary of all replicates' users together."""
        return summarise(*self.runs)


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
    def settings(self) -> tuple[Setting, ...]:
        """The points of the grid, in the order of runs.csv; where no seed is swept each is one run."""
        keys = [key for key in self.keys if key not in SEEDS]
        groups: dict[tuple[Any, ...], list[Path]] = {}
        for row in records(self.runs):
            groups.setdefault(tuple(row[key] for key in keys), []).append(self.folder / row["folder"])
        return tuple(Setting(dict(zip(keys, at, strict=True)), tuple(found)) for at, found in groups.items())

    @property
    def replicated(self) -> bool:
        """Whether seeds are swept, and the records are there that say what all replicates of a setting have in them."""
        return bool(set(SEEDS) & set(self.keys)) and all(is_run(self.folder / name) for name in self.runs["folder"])

    @cached_property
    def pooled(self) -> Sweep:
        """A row for each setting and strategy, over all replicates; this sweep where it is not `replicated`.

        `folder` is that of the first replicate; column `replicates` says how many there are.
        """
        if not self.replicated:
            return self
        rows = []
        for setting in self.settings:
            count = {"replicates": len(setting.folders)}
            rows += _rows(setting.folders[0].name, {**setting.values, **count}, setting.summary)
        return Sweep(self.folder, tuple(key for key in self.keys if key not in SEEDS), pd.DataFrame(rows))

    def has(self, metric: str) -> bool:
        """Whether any run knows the metric."""
        return bool(self.rows[metric].notna().any())

    def setting(self, key: str, folder: str) -> Any:
        """The value of a dotted key in a run's config; None where it is not known."""
        found: Any = self.configs[folder].model_dump() if folder in self.configs else {}
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


def short_table(sweep: Sweep) -> pd.DataFrame:
    """The main metrics of every run, or with replicates of every setting, for a terminal: means and their intervals."""
    rows, shown = sweep.pooled.rows, [column for column in COLUMNS if column[0] in BRIEF]
    keys = [*sweep.pooled.keys, *(["replicates"] if "replicates" in rows else [])]
    table = rows[[*keys, "strategy", "users"]].copy()
    for metric, heading, factor in shown:
        ends = (rows[metric + part] * factor for part in ("", "_low", "_high"))
        table[heading] = [
            number(mean) + (f" ({bounds})" if (bounds := interval(low, high)) else "")
            for mean, low, high in zip(*ends, strict=True)
        ]
    return table


def write_settings(sweep: Sweep) -> None:
    """Write the summary.csv of a sweep that is `replicated`: that of every setting, over all of its replicates.

    Columns: the swept keys but for seeds, replicates (how many runs), then those of a run's summary.csv.
    """
    tables = []
    for setting in sweep.settings:
        table = setting.summary.copy()
        for place, (key, value) in enumerate({**setting.values, "replicates": len(setting.folders)}.items()):
            table.insert(place, key, [value] * len(table))
        tables.append(table)
    write_whole(sweep.folder / SUMMARY_CSV, pd.concat(tables).to_csv(index=False))


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds the runs.csv of a sweep."""
    return (folder / RUNS).is_file()


def load_sweep(folder: Path) -> Sweep:
    """Read a sweep folder. Raises UserError when its runs.csv is missing or broken."""
    path = folder / RUNS
    numbers = {"users": "int64"} | {metric + suffix: "float64" for metric in SHOWN for suffix in PARTS}
    columns = header(path)
    rows = read_cells(path, dict.fromkeys(columns, "str") | numbers)
    old = "rule" not in columns  # from before savings had rules, so it is made anew from the records
    if missing := [c for c in ("folder", "strategy", *(() if old else numbers)) if c not in columns]:
        raise UserError(f"{path}: column {missing[0]!r} is missing.")
    keys = tuple(columns[columns.index("folder") + 1 : columns.index("strategy")])
    if odd := [key for key in keys if key in numbers or not key]:
        raise UserError(f"{path}: column {odd[0]!r} stands among the swept keys, between folder and strategy.")
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
