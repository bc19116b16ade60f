"""Kinds of adapters behind one interface (`base`), and the names that `training.adapter` knows them by."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sim.common.errors import UserError, nearest
from sim.llm.adapters.base import AdapterKind
from sim.llm.adapters.ia3 import Ia3
from sim.llm.adapters.lora import Lora

if TYPE_CHECKING:
    from sim.experiment.sections import Training

KINDS: dict[str, type[AdapterKind]] = {
    "lora": Lora,
    "ia3": Ia3,
}


def kind_of(training: Training) -> AdapterKind:
    """The kind of adapter that a config asks for, with the config's settings.

    Raises: UserError for a name that no kind has, an import path (`my_module:MyKind`) that leads to none, or settings
    that are not good for it.
    """
    name = training.adapter
    kind = KINDS.get(name) or _imported(name)
    return kind.of(training)


def _imported(path: str) -> type[AdapterKind]:
    if ":" not in path:
        raise UserError(f"training.adapter = {path!r}: no such kind of adapter.{nearest(path, KINDS)}")
    module, _, name = path.partition(":")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"training.adapter = {path!r}: {error}.") from error
    if not (isinstance(kind, type) and issubclass(kind, AdapterKind)):
        raise UserError(f"training.adapter = {path!r}: no subclass of sim.llm.adapters.base.AdapterKind.")
    return kind
