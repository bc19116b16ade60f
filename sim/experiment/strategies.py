"""Strategies by the names that a config gives them."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from sim.common.errors import UserError, nearest
from sim.experiment.config import Config
from strategies.base import Strategy


def make_strategy(name: str, config: Config) -> Strategy:
    """A strategy by name, `package.module:Class`, or as a variant named under `options` with `use`.

    Raises: UserError for an unknown name or setting.
    """
    options: dict[str, Any] = dict(config.options.get(name, {}))
    target = str(options.pop("use", name))
    known = known_strategies()
    if target not in known and ":" not in target:
        raise UserError(f"strategies: unknown strategy {target!r}.{nearest(target, known)}")
    reference = known.get(target, target)
    kind = load_object(reference)
    try:
        made = kind(**options)
    except (TypeError, ValueError) as error:
        raise UserError(f"options.{name}: {error}.") from error
    if not isinstance(made, Strategy):
        raise UserError(f"strategies: {reference!r} is no subclass of strategies.Strategy.")
    return made


def known_strategies() -> dict[str, str]:
    """The strategies that have names, as `package.module:Class`."""
    return {point.name: point.value for point in entry_points(group="headstart.strategies")}


def load_object(reference: str) -> Any:
    """The object behind `package.module:name`. Raises UserError."""
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"strategies: cannot import {reference!r} ({error}).") from error
