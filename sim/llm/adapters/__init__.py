"""Kinds of adapters behind one interface (`base`), and the names that `training.adapter` knows them by."""

from __future__ import annotations

from sim.experiment.registry import Registry
from sim.experiment.sections import Training
from sim.llm.adapters.base import AdapterKind

__all__ = ["ADAPTERS", "AdapterKind", "kind_of"]

ADAPTERS: Registry[AdapterKind] = Registry(
    "headstart.adapters",
    "training.adapter",
    "kind of adapter",
    AdapterKind,  # type: ignore[type-abstract]
)


def kind_of(training: Training) -> AdapterKind:
    """The kind of adapter that a config asks for, with the config's settings.

    Raises: UserError for a name that no kind has, an import path (`my_module:MyKind`) that leads to none, or settings
    that are not good for it.
    """
    return ADAPTERS.load(training.adapter).of(training)
