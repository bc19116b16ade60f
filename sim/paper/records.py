"""The runs that published values are compared with, found by what their configs say; all users of replicates count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sim.analysis.everyone import Everyone
from sim.analysis.measures import METRICS
from sim.analysis.rules import ANY
from sim.analysis.tables import is_run, load_run
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.records.folder import is_finished
from sim.records.journal import NAME as JOURNAL


class Found(NamedTuple):
    """A finished run: its folder and its config."""

    folder: Path
    config: Config


class Bounds(NamedTuple):
    """A mean and its 95 % interval (NaN: none)."""

    mean: float
    low: float
    high: float


class Question:
    """Runs that ask the same with different seeds, taken together."""

    def __init__(self, runs: tuple[Found, ...]) -> None:
        self.everyone = Everyone(tuple(load_run(run.folder) for run in runs))
        self._known: dict[str, dict[tuple[str, str], Bounds]] = {}

    def bounds(self, strategy: str, metric: str, rule: str) -> Bounds | None:
        """Mean and interval as in their summary.csv; None where nobody has the metric."""
        rule = ANY if metric in METRICS else rule
        if rule not in self._known:
            self._known[rule] = dict(self._estimates(rule))
        return self._known[rule].get((strategy, metric))

    def _estimates(self, rule: str) -> Iterator[tuple[tuple[str, str], Bounds]]:
        """What the summary has under a rule; other rules are left out, for each costs as much again."""
        for part in self.everyone.recorded() if rule == ANY else self.everyone.charged(rule):
            keys = [(strategy, name) for name in part.rows for strategy in self.everyone.strategies]
            value, low, high, users, *_ = part.interval
            for i, key in enumerate(keys):
                if users[i]:
                    yield key, Bounds(float(value[i]), float(low[i]), float(high[i]))


class Records:
    """Folders of runs and sweeps below `root`, by the names of `sim.published`: `mixed_styles` also as `mixed-styles`.

    Raises UserError where there is no such folder, and where what is in it cannot be read.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise UserError(f"{root}: no such folder.")
        self.root = root
        self._found: dict[str, tuple[Found, ...]] = {}
        self._questions: dict[tuple[Path, ...], Question] = {}

    def runs(self, name: str) -> tuple[Found, ...]:
        """All finished runs below a folder. Of runs that were done twice, seeds included, the last by name counts."""
        if name not in self._found:
            folders = [self.root / spelt for spelt in dict.fromkeys((name, name.replace("_", "-")))]
            once = {run.config.digest(): run for folder in folders for run in _below(folder)}
            self._found[name] = tuple(once.values())
        return self._found[name]

    def matching(self, name: str, where: Mapping[str, Any]) -> tuple[Found, ...]:
        """The runs whose configs have these values, by dotted key.

        Raises UserError where they ask different things beyond that: nobody could say which one is meant.
        """
        runs = tuple(run for run in self.runs(name) if answers(run.config, where))
        for other in runs[1:]:
            if _asked(other.config) != _asked(runs[0].config):
                key = next(iter(_differences(runs[0].config, other.config)), "a key")
                raise UserError(f"{other.folder}: differs from {runs[0].folder} in {key}, so they are no replicates.")
        return runs

    def question(self, name: str, where: Mapping[str, Any]) -> Question | None:
        """The same runs with their tables; None where there are none."""
        runs = self.matching(name, where)
        key = tuple(run.folder for run in runs)
        if runs and key not in self._questions:
            self._questions[key] = Question(runs)
        return self._questions.get(key)


def answers(config: Config, where: Mapping[str, Any]) -> bool:
    """Whether a config has these values, by dotted key; numbers may be given as text."""
    return all(_same(config.at(key), wanted) for key, wanted in where.items())


def _below(folder: Path) -> Iterator[Found]:
    """Finished runs, the folder itself or below it; what lies in a run's own folder is no further run."""
    if is_run(folder) and (folder / "config.toml").is_file():
        if not (folder / JOURNAL).is_file() or is_finished(folder):  # committed records are without a journal
            yield Found(folder, Config.of_run(folder / "config.toml"))
    elif folder.is_dir():
        for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
            yield from _below(inner)


def _same(found: Any, wanted: Any) -> bool:
    """Whether a config's value is what is wanted, which may be text of a number."""
    try:
        return bool(float(found) == float(wanted))
    except (TypeError, ValueError):
        return bool(found == wanted)


def _asked(config: Config) -> str:
    """A hash of all that decides records but for the seeds."""
    return _unseeded(config).digest()


def _unseeded(config: Config) -> Config:
    return config.model_copy(update={"seed": 0, "pool": config.pool.model_copy(update={"seed": 0})})


def _differences(one: Config, other: Config) -> Iterator[str]:
    """Dotted keys in which two configs differ, their seeds and where they were run apart."""
    left, right = (_unseeded(config).model_dump(exclude={"name", "output"}) for config in (one, other))
    for name, value in left.items():
        if not isinstance(value, dict):
            if value != right[name]:
                yield name
            continue
        yield from (f"{name}.{key}" for key in value | right[name] if value.get(key) != right[name].get(key))
