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
    use = options.pop("use", name)
    if not isinstance(use, str):
        raise UserError(f"options.{name}.use = {use!r:.80}: a strategy's name, or package.module:Class, is expected.")
    kind = STRATEGIES.load(use)
    for key in kind.wraps:
        wrapped = options.get(key)
        if not isinstance(wrapped, str) or wrapped in (name, *within):
            raise UserError(f"options.{name}.{key} = {wrapped!r}: the name of another strategy is expected.")
        options[key] = make_strategy(wrapped, config, (name, *within))
    try:
        return kind(**options)
    except Exception as error:  # a class of others may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"options.{name}: {reason}.") from error


def trains_nobody(name: str) -> UserError:
    """The error for a strategy that trains before it chooses, where nobody trains."""
    return UserError(f"strategies: {name!r} trains before it chooses; with training.cost_only nobody trains.")
