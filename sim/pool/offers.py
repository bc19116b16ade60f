"""Offers on disk beside the pool they are about: made once, read by every worker and every later run."""

from __future__ import annotations

import inspect
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from torch import Tensor

from sim.cloud.view import Cloud
from sim.common.cache import built, cache_dir, digest
from sim.common.errors import UserError
from sim.common.plain import as_plain
from sim.experiment.strategies import make_strategy
from sim.llm.adapters.lora import Layout, load_adapter
from sim.serving.resident import Resident
from strategies.base import Offer, Strategy

VERSION = 2
"""Part of the cache's hash: bump it when offers are written otherwise, or come out differently for equal settings."""
Costs = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Work of the cloud by strategy and kind of request."""


def offer_folder(pool: Path, cache: Path, strategy: Strategy, made_of: dict[str, Any]) -> Path:
    """Where the offer of a strategy (its class and settings) for a pool lies: shipped with the pool, or cached."""
    kind = vars(type(strategy)).get("offers_as") or type(strategy)
    try:
        settings = as_plain({k: v for k, v in vars(strategy).items() if k not in strategy.on_phone}, kind.__qualname__)
    except TypeError as error:
        raise UserError(
            f"strategies: {error}. What a strategy keeps names its cached offer: list in `on_phone` what `offer` does "
            "not read, and let the rest be plain values."
        ) from error
    own = {"class": f"{kind.__module__}:{kind.__qualname__}", "settings": settings, "code": _foreign_code(kind)}
    name = digest({"version": VERSION, **own, **made_of})
    beside = pool / "offers" / name
    return beside if beside.is_dir() else cache / name


def _foreign_code(kind: type) -> list[str]:
    """Source of the modules that a strategy's class and its bases are written in, for those that are not ours.

    Who edits a strategy gets a new offer. Ours are told apart by VERSION: a comment does not void those shipped.
    """
    modules = dict.fromkeys(base.__module__ for base in kind.__mro__ if issubclass(base, Strategy))
    found = []
    for name in modules:
        if name.partition(".")[0] != "strategies":
            with suppress(OSError, TypeError):  # typed in, not in a file
                found.append(inspect.getsource(sys.modules[name]))
    return found


def make_offer(folder: Path, strategy: Strategy, cloud: Cloud) -> dict[str, dict[str, Any]]:
    """Ask a strategy for its offer and write it, unless it is there; returns what it cost the cloud."""

    def build(into: Path) -> None:
        offer = strategy.offer(cloud)
        arrays = {k: v for k, v in offer.payload.items() if isinstance(v, np.ndarray)}
        plain = {k: v for k, v in offer.payload.items() if k not in arrays}
        np.savez(into / "arrays.npz", **arrays)  # type: ignore[arg-type]
        tree = {
            "pllms": list(offer.pllms),
            "payload": plain,
            "explanations": {k: dict(v) for k, v in offer.explanations.items()},
            "coordinates": {k: dict(v) for k, v in offer.coordinates.items()},
            "cost": cloud.bill(),
        }
        (into / "offer.json").write_text(json.dumps(tree, indent=1) + "\n")
        for name, tensors in offer.adapters.items():
            adapter = into / "adapters" / name
            adapter.mkdir(parents=True)
            half = {k: np.ascontiguousarray(v, dtype=np.float16) for k, v in tensors.items()}  # as pLLMs are shipped
            save_file(half, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
            shutil.copy(cloud.pool.folder / cloud.pool.ids[0] / "adapter_config.json", adapter)

    built(folder, build)
    return dict(json.loads((folder / "offer.json").read_text())["cost"])


def make_offers(
    resident: Resident, strategies: Iterable[str], progress: Callable[[str, int, int], None]
) -> tuple[dict[str, Path], Costs]:
    """The folder of each strategy's offer, made now or found, and what it cost the cloud."""
    folders: dict[str, Path] = {}
    costs: dict[str, dict[str, dict[str, Any]]] = {}
    pool = resident.pool.folder
    for name in strategies:
        strategy = make_strategy(name, resident.config)
        made_of = {"llm": resident.lm_digest, "summarizer": resident.summarizer_digest}
        folder = offer_folder(pool, cache_dir() / "offers" / resident.pool_digest, strategy, made_of)
        if not folder.is_dir():
            progress(f"offer of {name}", 0, 1)
        folders[name], costs[name] = folder, make_offer(folder, strategy, Cloud(resident))
    return folders, costs


def offer_adapters(folder: Path, layout: Layout) -> dict[str, Tensor]:
    """The flat adapters (size,) that the cloud made for an offer, by name."""
    return {path.name: load_adapter(path, layout) for path in sorted(folder.glob("adapters/*"))}


def load_offer(folder: Path) -> Offer:
    """The offer as a phone gets it: without the tensors of its adapters."""
    tree = json.loads((folder / "offer.json").read_text())
    with np.load(folder / "arrays.npz") as arrays:
        payload = {**tree["payload"], **{k: arrays[k] for k in arrays.files}}
    return Offer(tuple(tree["pllms"]), payload, tree["explanations"], tree["coordinates"])


def offer_bytes(offer: Offer) -> int:
    """What a phone downloads with an offer: arrays by their size, anything else as JSON."""
    size = sum(v.nbytes for v in offer.payload.values() if isinstance(v, np.ndarray))
    plain = {k: v for k, v in offer.payload.items() if not isinstance(v, np.ndarray)}
    return size + (len(json.dumps(plain)) if plain else 0)
