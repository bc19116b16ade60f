"""Runs and sweeps that Python starts: settings as keywords, then the same as the commands do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from headstart.loaded import Run, Sweep, load
from sim.common.errors import RunFailed, UserError
from sim.common.plain import as_plain
from sim.common.signals import sigterm_interrupts
from sim.display import shown
from sim.experiment.config import Config
from sim.experiment.grid import span
from sim.experiment.reading import check_values
from sim.experiment.shipped import QUICKSTART
from sim.records.shelf import resolved
from strategies import Strategy

if TYPE_CHECKING:
    from sim.plan.work import Plan

Source: TypeAlias = "Path | str | Config | None"
"""A TOML file; a config, as that of a run that was loaded; None: the quickstart."""


def run(
    config: Source = None,
    *,
    resume: Path | str | None = None,
    plots: bool = True,
    quiet: bool = False,
    **overrides: object,
) -> Run:
    """Run an experiment and load its records; `headstart run` does the same.

    Args:
        config: the experiment.
        resume: a run's folder (or "latest"), to go on with it instead; of the overrides only where and how long the
            work is done (`engine__workers`, ...) may then differ.
        plots: draw the plots at the end.
        quiet: print nothing.
        **overrides: keys of the config (docs/config.md), two underscores for a dot: `population__users=100`,
            `strategies=["scratch", MyStrategy]`.
    Raises:
        UserError: something in the config is wrong, in one line.
        RunFailed: what was finished is kept, and the message says in which folder.
    """
    from rich.console import Console

    from sim.run import begin, close, reopen

    values = _values(overrides)
    if resume is None:
        begun = begin(Config.changed(_source(config), values).anchored(Path.cwd()))
    elif config is not None:
        raise UserError("run: config or resume, not both; a run goes on with its own config.")
    else:
        folder = resolved(Path(resume), begun=True)
        begun = reopen(folder, Config.changed(folder / "config.toml", values) if values else None)
    try:
        with sigterm_interrupts(), shown(Console(), quiet) as watcher:
            tracking = begun.do(watcher)
        close(begun.folder, plots, tracking)
    except RunFailed as failure:
        raise RunFailed(f"{failure}; go on with: headstart.run(resume={str(begun.folder)!r})") from failure
    return cast(Run, load(begun.folder))


def plan(config: Source = None, *, calibrate: bool = False, **overrides: object) -> Plan:
    """What `run` would do with the same: jobs, what is cached, minutes, memory, disk; printed, it says so in words.

    Args:
        config, overrides: as of `run`.
        calibrate: do one cohort first, where no run on this machine tells the pace; builds what is missing.
    Raises: UserError; RunFailed where a calibration fails.
    """
    from sim.plan.work import plan as planned

    return planned(Config.changed(_source(config), _values(overrides)).anchored(Path.cwd()), calibrate)


def sweep(
    config: Source = None,
    over: Mapping[str, Sequence[object]] | None = None,
    *,
    quiet: bool = False,
    **overrides: object,
) -> Sweep:
    """Run every combination of values, and load their table; what is done already is not done again.

    Args:
        config: the base; a file may have a table [sweep].
        over: keys and the values that each takes, as in that table, whose keys of the same name they replace:
            `{"pool.size": [14, 28], "seed": [9000, 9001]}`.
        **overrides: as of `run`, the same in every run.
    Raises:
        UserError: something in a config is wrong.
        RunFailed: some runs failed, which the message names; the others are there.
    """
    from rich.console import Console

    from sim.sweep import sweep as do

    swept = {
        _key(key): [_plain(_key(key), value) for value in _several(key, some)] for key, some in (over or {}).items()
    }
    points = span(_source(config), _values(overrides), swept)
    with sigterm_interrupts(), shown(Console(), quiet) as watcher:
        failures = do(points, watcher)
    if failures:
        raise RunFailed(f"{len(failures)} of {len(points)} runs failed: {'; '.join(failures)}")
    return cast(Sweep, load(points[0].folder.parent))


def _source(config: Source) -> Path | Config:
    if config is None:
        return QUICKSTART
    return config if isinstance(config, Config) else Path(config)


def _values(overrides: Mapping[str, object]) -> list[tuple[str, object]]:
    return [(_key(name), _plain(_key(name), value)) for name, value in overrides.items()]


def _key(name: str) -> str:
    """The dotted key that a keyword stands for."""
    return name.replace("__", ".")


def _several(key: str, values: object) -> Iterable[object]:
    """The values of a swept key. Raises UserError: a text would be swept letter by letter."""
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise UserError(f"over: {key:.80}: a list of values is expected.")
    return values


def _plain(key: str, value: object) -> object:
    """A value as TOML has it; a strategy's class by its import path. Raises UserError."""
    if isinstance(value, list | tuple):
        return [_plain(key, inner) for inner in value]
    if isinstance(value, type) and issubclass(value, Strategy):
        return _reference(key, value)
    try:
        plain = as_plain(value, key)
    except TypeError as error:
        raise UserError(f"{error}.") from None
    check_values(plain, key)
    return plain


def _reference(key: str, kind: type[Strategy]) -> str:
    """`package.module:Class`, by which workers import it. Raises UserError where they could not."""
    if kind.__module__ == "__main__" or kind.__qualname__ != kind.__name__:
        raise UserError(
            f"{key}: {kind.__qualname__} must be at the top of a file of its own, which workers can import."
        )
    return f"{kind.__module__}:{kind.__name__}"
