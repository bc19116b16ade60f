"""Strategies by the names that a config gives them."""

from __future__ import annotations

from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.registry import Registry
from strategies.base import Strategy

STRATEGIES = Registry("headstart.strategies", "strategies", "strategy", Strategy)


def make_strategy(name: str, config: Config, within: tuple[str, ...] = ()) -> Strategy:
    """A strategy by name, `package.module:Class`, or as a variant named under `options` with `use`.

    Args:
        within: names of the strategies that wrap it.
    Raises: UserError for an unknown name or setting.
    """
    options = dict(config.options.get(name, {}))
    kind = STRATEGIES.load(str(options.pop("use", name)))
    for key in kind.wraps:
        wrapped = options.get(key)
        if not isinstance(wrapped, str) or wrapped in (name, *within):
            raise UserError(f"options.{name}.{key} = {wrapped!r}: the name of another strategy is expected.")
        options[key] = make_strategy(wrapped, config, (name, *within))
    try:
        return kind(**options)
    except (TypeError, ValueError) as error:
        raise UserError(f"options.{name}: {error}.") from error
