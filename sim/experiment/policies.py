"""What the cloud does with adapters that users give, by the names that a config gives to it."""

from __future__ import annotations

from sim.experiment.config import Config
from sim.experiment.registry import Registry
from strategies.base import Policy

POLICIES = Registry("headstart.policies", "waves.policies", "policy", Policy)  # type: ignore[type-abstract]


def make_policies(config: Config) -> list[Policy]:
    """The run's policies, in the order in which they work. Raises UserError for an unknown name."""
    return [POLICIES.load(name)(config.waves.keep) for name in config.waves.policies]
