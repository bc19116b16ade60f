"""Registries: what a config names, found by a registered name or by import path, and checked before it is used."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from sim.common.errors import UserError, nearest

T = TypeVar("T")
REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
"""`package.module:Class`, absolute."""


@dataclass(frozen=True)
class Registry(Generic[T]):
    """The classes of one kind that a config can name, as `name` or as `package.module:Class`.

    Attributes:
        group: of the entry points (pyproject.toml) that give classes their names.
        key: of the config, for messages.
        what: one of the kind, for messages.
        base: what every class of the kind is a subclass of.
    """

    group: str
    key: str
    what: str
    base: type[T]

    def known(self) -> Mapping[str, str]:
        """The registered names, each with its `package.module:Class`."""
        return {point.name: point.value for point in entry_points(group=self.group)}

    def load(self, name: str) -> type[T]:
        """The class behind a name. It is imported and checked; nothing of it is called.

        Raises: UserError for a name that is unknown, a path that cannot be imported, and anything but a whole subclass.
        """
        known = self.known()
        if name not in known and ":" not in name:
            if not known:  # the metadata of the installed package is older than its code
                raise UserError(f"{self.key}: nothing is registered under {self.group!r}; install Headstart again.")
            raise UserError(f"{self.key}: unknown {self.what} {name!r:.80}.{nearest(name, known)}")
        reference = known.get(name, name)
        found = _imported(reference, self.key)
        if not isinstance(found, type) or not issubclass(found, self.base):
            raise UserError(f"{self.key}: {reference!r} is no subclass of {self.base.__module__}.{self.base.__name__}.")
        if _abstract(found):
            raise UserError(f"{self.key}: {reference!r} lacks {', '.join(sorted(_abstract(found)))}.")
        return found


def _abstract(kind: type) -> frozenset[str]:
    """The methods that a class still has to define."""
    missing: frozenset[str] = getattr(kind, "__abstractmethods__", frozenset())
    return missing


def _imported(reference: str, key: str) -> object:
    """The object behind `package.module:name`. Raises UserError, whatever the module does while it is imported."""
    if not REFERENCE.fullmatch(reference):
        raise UserError(f"{key}: cannot import {reference!r:.80} (no package.module:Class).")
    module, _, attribute = reference.partition(":")
    try:
        found: object = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{key}: cannot import {reference!r:.80} ({reason:.200}).") from error
    return found
