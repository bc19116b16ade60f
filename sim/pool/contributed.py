"""Adapters that users gave to the cloud: each a pLLM's folder with its card, kept once, by its content."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from sim.common.cache import built, cache_dir, digest, require_whole
from sim.common.disk import write_whole
from sim.llm.adapters.base import Layout
from sim.pool.pool import CARD, Card


def pllm_of(user_id: int) -> str:
    """What the pLLM that a user contributes is called. ("user 7" is the user, in words.csv.)"""
    return f"user-{user_id}"


def user_of(pllm: str) -> int | None:
    """The user who contributed a pLLM of that name; None: nobody did."""
    number = pllm.removeprefix("user-")
    return int(number) if number != pllm and number.isdecimal() else None


def write_contribution(card: Card, adapter: Tensor, layout: Layout, base: str) -> Path:
    """Write a user's adapter (size,), in 16 bits as a pool has them, beside its card; returns the folder.

    Args:
        base: name of the LLM that it is for.
    """
    weights = hashlib.sha256(adapter.detach().cpu().half().numpy().tobytes()).hexdigest()
    made_of = {"card": asdict(card), "weights": weights, "config": layout.config(), "base": base}

    def build(into: Path) -> None:
        layout.save(into, adapter, base, half=True)
        write_whole(into / CARD, json.dumps(asdict(card), indent=2) + "\n")

    return built(_folder(digest(made_of)), build)


def keep(source: Path) -> str:
    """Take over a contribution that a worker wrote, unless this is where it wrote it; returns its name."""

    def copy(into: Path) -> None:
        shutil.copytree(source, into, dirs_exist_ok=True)

    return built(_folder(source.name), copy).name


def kept(name: str) -> Path:
    """The folder of a contribution that was taken over. Raises UserError where it is gone, or damaged."""
    return require_whole(_folder(name), "it is part of a run that goes on, which has to begin anew without it")


def _folder(name: str) -> Path:
    return cache_dir().resolve() / "contributed" / name
