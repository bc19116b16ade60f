"""What there is to choose from, as tables: results with their headlines, strategies, shipped configs."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sim.analysis.run.verdict import ranked
from sim.analysis.summary import by_key, interval, is_summarised, number, summary_of
from sim.analysis.sweep.table import load_sweep
from sim.analysis.sweep.verdict import best
from sim.analysis.tables import records
from sim.common.errors import UserError
from sim.experiment.config import Config, read_experiment
from sim.experiment.names import ORACLE, SCRATCH
from sim.experiment.shipped import CONFIGS
from sim.experiment.strategies import STRATEGIES
from sim.records.folder import CONFIG
from sim.records.shelf import Entry, entries

METRIC = "compute_saved_total"
"""The saving of the headline: FLOPs, choosing included."""
SAVED = "compute saved by the best"


def results(output: Path) -> pd.DataFrame:
    """A row for each run and sweep, newest first: folder (in `output`), date, users, strategies, state, and `SAVED`.

    The best is of all strategies, scratch too, but for the oracle. Raises UserError where there is no such folder.
    """
    columns = ["folder", "date", "users", "strategies", "state", SAVED]
    return pd.DataFrame([_row(entry, output) for entry in entries(output)], columns=columns)


def _row(entry: Entry, output: Path) -> tuple[str, ...]:
    folder = str(entry.folder.relative_to(output)) + (f" ({len(entry.runs)} runs)" if entry.is_sweep else "")
    date = "" if entry.written is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.written))
    try:
        users, strategies = _who(entry.runs)
        saved = _of_sweep(entry.folder) if entry.is_sweep else _of_run(entry.folder)
        return folder, date, users, strategies, entry.state, saved
    except UserError as error:
        return folder, date, "", "", "broken", str(error)


def _who(runs: Sequence[Path]) -> tuple[str, str]:
    """How many users runs have, and which strategies."""
    configs = [Config.of_run(run / CONFIG) for run in runs if (run / CONFIG).is_file()]
    counts = sorted({config.population.users for config in configs})
    names = dict.fromkeys(name for config in configs for name in config.strategies)
    return " to ".join(f"{count:,}" for count in {*counts[:1], *counts[-1:]}), ", ".join(names)


def _of_run(folder: Path) -> str:
    """The best strategy and what it saves; '' where there is no summary yet, or nothing to compare with scratch."""
    if not is_summarised(folder):
        return ""
    found = {s: row for (s, metric), row in by_key(summary_of(folder)).items() if metric == METRIC}
    rivals = [strategy for strategy in found if strategy not in (SCRATCH, ORACLE)]
    if SCRATCH not in found or not rivals:
        return ""
    keyed = {(strategy, METRIC): row for strategy, row in found.items()}
    first, second, *_ = ranked(keyed, METRIC, [SCRATCH, *rivals])
    if first == SCRATCH:
        return f"{SCRATCH}; next {second} {_percent(found[second])}"
    return f"{first} {_percent(found[first])}"


def _of_sweep(folder: Path) -> str:
    """Which strategy is best in most runs, in how many, and from what to what it saves in all."""
    runs: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in records(load_sweep(folder).rows):
        if not pd.isna(row[METRIC]):
            runs.setdefault(row["folder"], {})[row["strategy"]] = row
    known = [run for run in runs.values() if SCRATCH in run and set(run) - {SCRATCH, ORACLE}]
    if not known:
        return ""
    ((first, count),) = Counter(best(run, METRIC) for run in known).most_common(1)
    means = [100 * run[first][METRIC] for run in known if first in run]
    saved = "" if first == SCRATCH else f": {number(min(means), 2)} to {number(max(means), 2)} %"
    return f"{first} in {count} of {len(known)}{saved}"


def _percent(row: Mapping[str, Any]) -> str:
    bounds = interval(100 * row["low"], 100 * row["high"])
    return f"{number(100 * row['mean'], 2)} %" + (f" ({bounds})" if bounds else "")


# ---------------------------------------------------------------- what can be named


def strategies() -> pd.DataFrame:
    """A row for each registered strategy, also of other packages: its name, and the first line of its docstring."""
    rows = []
    for name, reference in STRATEGIES.known().items():
        try:
            said = (STRATEGIES.load(name).__doc__ or "").strip().partition("\n")[0]
        except UserError as error:
            said = f"cannot be used: {error}"
        others = "" if reference.startswith("strategies.") else f" [{reference}]"
        rows.append((name, said + others))
    return pd.DataFrame(rows, columns=["strategy", "what it does"])


def configs() -> pd.DataFrame:
    """A row for each shipped config: the commands that it is for, its path, and the first sentence of its comment."""
    if not CONFIGS.is_dir():
        raise UserError(f"configs: {CONFIGS.parent} has no configs; install from a clone with pip install -e .")
    rows = []
    for path in sorted([*CONFIGS.glob("*.toml"), *CONFIGS.glob("sweeps/*.toml")]):
        tree, axes = read_experiment(path)
        several = tree.get("replicates", 1) != 1 or path.parent != CONFIGS  # which `run` refuses, or is not meant for
        command = "sweep" if several else "run, sweep" if axes else "run"
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        rows.append((command, str(shown), _first_sentence(path.read_text(encoding="utf-8"))))
    return pd.DataFrame(rows, columns=["command", "config", "what for"])


def _first_sentence(toml: str) -> str:
    """Of the comment that a file begins with; a line that is set further in is a command."""
    lines = []
    for line in toml.splitlines():
        if not line.startswith("# ") or line.startswith("#  "):
            break
        lines.append(line.removeprefix("# "))
    found = re.match(r".*?[.?!](?=\s|$)", text := " ".join(lines))
    return (found[0] if found else text).rstrip(":")
