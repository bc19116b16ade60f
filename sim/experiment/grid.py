"""The grid of a sweep: axes from `[sweep]` in TOML and from the command line, and the runs that they span."""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sim.common.errors import UserError
from sim.experiment.config import Config, read_experiment
from sim.experiment.names import SEEDS
from sim.experiment.reading import Tree, parse_override, set_key, short

FIXED = ("name", "output", "replicates")
"""Keys that say where results go, for all runs of a sweep lie side by side, and how many runs a point has."""
ALONE: dict[str, object] = {"replicates": 1}
"""What a replicate is: a run by itself."""
MOST = 10_000
"""Runs that a sweep may have: more are a slip of the pen, and would be checked for hours."""
OPENING, CLOSING, QUOTES = "[{(", "]})", "\"'"


@dataclass(frozen=True)
class Point:
    """One run of a sweep: the swept keys with their values as text, and the resolved config."""

    values: Mapping[str, str]
    config: Config

    @property
    def label(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.values.items())

    @cached_property
    def folder(self) -> Path:
        """OUTPUT/NAME/HASH: the same config finds its run again."""
        return Path(self.config.output) / self.config.name / self.config.digest()


def grid(path: Path, arguments: Sequence[str]) -> list[Point]:
    """All runs of a sweep (`span`), by the arguments of a command. Raises UserError.

    Args:
        path: TOML with the base config and perhaps a `[sweep]` table.
        arguments: `key=a,b,c` sweeps a key (in the place of the table's values), `key=a` sets it.
    """
    values: list[tuple[str, object]] = []
    swept: dict[str, Sequence[object]] = {}
    for argument in arguments:
        key, value = parse_override(argument)
        texts = split_values(argument.partition("=")[2])
        if len(texts) > 1:
            swept[key] = [parse_override(f"{key}={text}")[1] for text in texts]
        else:
            swept.pop(key, None)
            values.append((key, value))
    return span(path, values, swept)


def span(
    source: Path | Config, values: Sequence[tuple[str, object]], swept: Mapping[str, Sequence[object]]
) -> list[Point]:
    """All runs of a sweep, the last key varying fastest, and the replicates of a point within it; every config is
    checked. Raises UserError.

    Args:
        source: the base config, or TOML with it and perhaps a `[sweep]` table.
        values: dotted keys that are set, and swept no longer.
        swept: dotted keys and their values, in the place of the table's.
    """
    tree, table = read_experiment(source)
    if not isinstance(table, Mapping):
        raise UserError(f"{source}: sweep: a table of keys and lists of values is expected.")
    axes: dict[str, Sequence[object]] = dict(_axes(table))
    for key, value in values:
        axes.pop(key, None)
        set_key(tree, key, value)
    axes |= swept
    for key, several in axes.items():
        if key in FIXED or not several:
            raise UserError(f"sweep: {key:.80} {'cannot be swept' if key in FIXED else 'has no values'}.")
    if not axes and Config.of(tree).replicates == 1:  # what is wrong with the file comes first
        raise UserError("sweep: nothing to sweep; give key=a,b,c, a [sweep] table or replicates=5.")
    _not_too_many(count := math.prod(map(len, axes.values())))
    points: list[Point] = []
    name: dict[str, object] = {}
    for combination in itertools.product(*axes.values()):
        at = dict(zip(axes, combination, strict=True))
        config = _config(tree, at | name)
        name = {"name": config.name}  # which may follow from a key that is swept
        _not_too_many(count * config.replicates)
        for seeds in _replicates(config, at):
            alone = _config(tree, at | name | seeds | ALONE) if seeds else config
            points.append(Point({key: _text(value) for key, value in (at | seeds).items()}, alone))
    _all_different(points)
    return points


def _config(tree: Tree, values: Mapping[str, object]) -> Config:
    """The config that a tree describes with other values of some keys."""
    changed = copy.deepcopy(tree)
    for key, value in values.items():
        set_key(changed, key, value)
    return Config.of(changed).anchored(Path.cwd())


def _replicates(config: Config, at: Mapping[str, object]) -> list[dict[str, object]]:
    """The seeds of each replicate; of a single one those that the config has, unnamed."""
    if config.replicates == 1:
        return [{}]
    if swept := [key for key in SEEDS if key in at]:
        raise UserError(f"sweep: {swept[0]} is swept, which replicates = {config.replicates} does too; leave one out.")
    return [dict(zip(SEEDS, (config.seed + r, config.pool.seed + r), strict=True)) for r in range(config.replicates)]


def _not_too_many(runs: int) -> None:
    if runs > MOST:
        raise UserError(f"sweep: {runs:,} runs; no more than {MOST:,} are possible.")


def split_values(text: str) -> list[str]:
    """Split at `;` where there is one outside of brackets and quotes, else at commas outside of them."""
    for separator in ";,":
        parts = list(_split(text, separator))
        if len(parts) > 1:
            return [part.strip() for part in parts if part.strip()]
    return [text]


def _split(text: str, separator: str) -> Iterator[str]:
    depth, quote, start = 0, "", 0
    for i, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in QUOTES:
            quote = letter
        elif letter in OPENING + CLOSING:
            depth += 1 if letter in OPENING else -1
        elif letter == separator and depth == 0:
            yield text[start:i]
            start = i + 1
    yield text[start:]


def _axes(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, list[object]]]:
    """Keys may be dotted strings or nested tables."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _axes(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield prefix + key, value
        else:
            raise UserError(f"sweep: {prefix + key:.80} = {short(value)}: a list of values is expected.")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _all_different(points: Sequence[Point]) -> None:
    seen: dict[Path, Point] = {}
    for point in points:
        if (other := seen.setdefault(point.folder, point)) is not point:
            one, two = (" ".join(same.label.split()) for same in (other, point))  # a value may have lines
            raise UserError(f"sweep: {one:.200} and {two:.200} are the same run (the records would be equal).")
