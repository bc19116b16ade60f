"""Offers on disk beside the pool they are about: made once, read by every worker and every later run."""

from __future__ import annotations

import inspect
import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from safetensors.numpy import save_file
from torch import Tensor

from sim.common.cache import digest, require_whole
from sim.common.disk import write_whole
from sim.common.errors import UserError
from sim.common.names import wrong_with
from sim.common.plain import as_plain, check_plain
from sim.llm.adapters.base import Layout
from sim.llm.adapters.files import CONFIG, WEIGHTS
from sim.messages import Counts
from sim.pool.pool import OFFERS, Pool
from strategies.base import Offer, Policy, Strategy

VERSION = 5
"""Part of the cache's hash: bump it when offers are written otherwise, or come out differently for equal settings."""
OFFER, ARRAYS = "offer.json", "arrays.npz"
MEND = "remove this folder, and the offer is made again"


@dataclass(frozen=True)
class OfferCost:
    """The work that an offer took: the cloud's, that of all owners of pLLMs, and the bytes that owners uploaded."""

    cloud: Counts
    owners: Counts = field(default_factory=dict)
    owners_bytes: float = 0.0

    @property
    def by_llm(self) -> list[Mapping[str, object]]:
        """What was counted of each kind of work, by the LLM that it was asked of."""
        return [*self.cloud.values(), *self.owners.values()]


class _Written(BaseModel):
    """What offer.json holds: an offer but for its arrays and adapters, and what it cost."""

    model_config = ConfigDict(strict=True)

    pllms: list[str]
    payload: dict[str, Any]
    explanations: dict[str, dict[str, int | float]]
    coordinates: dict[str, dict[str, int | float]]
    cost: dict[str, dict[str, dict[str, int | float]]]
    owners_cost: dict[str, dict[str, dict[str, int | float]]]
    owners_bytes: int | float


def offer_folder(pool: Path, cache: Path, strategy: Strategy, made_of: Mapping[str, str]) -> Path:
    """Where the offer of a strategy (its class and settings) for a pool lies: shipped with the pool, or cached."""
    name = digest({"version": VERSION, **identity_of(strategy), **made_of})
    beside = pool / OFFERS / name
    if not beside.is_dir():
        return cache / name
    return require_whole(beside, MEND)


def identity_of(strategy: Strategy) -> dict[str, object]:
    """All that decides what a strategy does on the cloud's side: its class, settings that matter there, its code."""
    strategy = strategy.offering
    kind = vars(type(strategy)).get("offers_as") or type(strategy)
    read = {k: v for k, v in vars(strategy).items() if k not in strategy.not_in_offer}
    try:
        settings = as_plain(read, kind.__qualname__)
    except TypeError as error:
        raise UserError(
            f"strategies: {error}. What a strategy keeps names its cached offer: list in `not_in_offer` what `offer` "
            "does not read, and let the rest be plain values."
        ) from error
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "settings": settings, "code": foreign_code(kind)}


def foreign_code(kind: type) -> list[str]:
    """Source of the modules that a class of a strategy or policy, and its bases, are in, for those that are not ours.

    Who edits a strategy gets a new offer. Ours are told apart by VERSION: a comment does not void those shipped.
    """
    modules = dict.fromkeys(base.__module__ for base in kind.__mro__ if issubclass(base, Strategy | Policy))
    found = []
    for name in modules:
        if name.partition(".")[0] != "strategies":
            with suppress(OSError, TypeError):  # typed in, not in a file
                found.append(inspect.getsource(sys.modules[name]))
    return found


def save_offer(into: Path, offer: Offer, cost: OfferCost, pool: Pool) -> None:
    """Write an offer, and what it cost, into a folder. Raises TypeError where it is none."""
    if not isinstance(offer, Offer):
        raise TypeError(f"a strategy's offer returned {offer!r:.60}; an Offer is expected")
    arrays = {k: v for k, v in offer.payload.items() if isinstance(v, np.ndarray)}
    plain = {k: v for k, v in offer.payload.items() if k not in arrays}
    np.savez(into / ARRAYS, **arrays)  # type: ignore[arg-type]
    tree = {
        "pllms": list(offer.pllms),
        "payload": plain,
        "explanations": {k: dict(v) for k, v in offer.explanations.items()},
        "coordinates": {k: dict(v) for k, v in offer.coordinates.items()},
        "cost": cost.cloud,
        "owners_cost": cost.owners,
        "owners_bytes": cost.owners_bytes,
    }
    write_whole(into / OFFER, json.dumps(tree, indent=1) + "\n")
    for name, tensors in offer.adapters.items():
        if what := wrong_with(name):
            raise UserError(f"strategies: an offer's adapter is named {name!r:.60}: {what}.")
        adapter = into / "adapters" / name
        adapter.mkdir(parents=True)
        half = {k: np.ascontiguousarray(v, dtype=np.float16) for k, v in tensors.items()}  # as pLLMs are shipped
        save_file(half, adapter / WEIGHTS, metadata={"format": "pt"})
        shutil.copy(pool.folder / pool.ids[0] / CONFIG, adapter)


def load_offer(folder: Path) -> Offer:
    """The offer as a phone gets it: without the tensors of its adapters. Raises UserError where it is damaged."""
    written, path = _read(folder), folder / ARRAYS
    try:
        with np.load(path) as arrays:
            payload = {**written.payload, **{name: np.asarray(arrays[name]) for name in arrays.files}}
    except Exception as error:  # of many kinds, since an archive can be broken in many ways
        raise _broken(path, error) from error
    return Offer(tuple(written.pllms), payload, written.explanations, written.coordinates)


def offer_cost(folder: Path) -> OfferCost:
    """What an offer cost when it was made. Raises UserError where it is damaged."""
    found = _read(folder)
    return OfferCost(found.cost, found.owners_cost, found.owners_bytes)


def _read(folder: Path) -> _Written:
    path = require_whole(folder, MEND) / OFFER
    try:
        return _Written.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    return UserError(f"offer: {path} is broken ({type(error).__name__}: {reason}); {MEND}.")


def offer_adapters(folder: Path, layout: Layout) -> dict[str, Tensor]:
    """The flat adapters (size,) that the cloud made for an offer, by name."""
    return {path.name: layout.load(path) for path in sorted(folder.glob("adapters/*"))}


def offer_bytes(offer: Offer) -> int:
    """What a phone downloads with an offer."""
    return payload_bytes(offer.payload)


def payload_bytes(payload: Mapping[str, object]) -> int:
    """The size of named values that are sent: arrays by their size, anything else as JSON.

    Raises: TypeError for what is neither, or an array of objects.
    """
    for name, value in payload.items():
        if not isinstance(value, np.ndarray):
            check_plain(value, name)
        elif value.dtype.hasobject:
            raise TypeError(f"{name} is an array of objects, whose size is not known")
    size = sum(v.nbytes for v in payload.values() if isinstance(v, np.ndarray))
    plain = {k: v for k, v in payload.items() if not isinstance(v, np.ndarray)}
    return size + (len(json.dumps(plain)) if plain else 0)
