"""A version of a pool on disk: links to pLLMs that lie elsewhere, and beside them those that the cloud made itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from math import nan
from pathlib import Path

import torch

from sim.common.disk import write_whole
from sim.common.errors import UserError
from sim.common.names import wrong_with
from sim.llm.adapters.base import Layout
from sim.pool.pool import CARD, INDEX, Card
from strategies.base import Members

POOL = "pool"
"""The pool's folder within that of a version, which also has what making it cost."""


def write_version(into: Path, members: Members, folders: Mapping[str, Path], layout: Layout, base: str) -> None:
    """Write the pool that some members are into a folder.

    Args:
        folders: where the pLLMs lie that members may name.
        base: name of the LLM that adapters are for.
    Raises: UserError where a strategy or policy named what is not there, twice, or by what is no name.
    """
    names = members.names
    for name in names:
        if names.count(name) > 1 or (name in members.made and (name in folders or wrong_with(name))):
            raise UserError(
                f"waves: a version of a pool cannot have {name!r:.60} twice, or as the name of what is made."
            )
        if name not in members.made and name not in folders:
            raise UserError(f"waves: a version of a pool names {name!r:.60}, which nobody contributed.")
    into.mkdir()
    for name in members.pllms:
        (into / name).symlink_to(folders[name].resolve(), target_is_directory=True)
    for name, tensors in members.made.items():
        adapter = layout.from_state_dict({key: torch.from_numpy(value.copy()) for key, value in tensors.items()})
        layout.save(into / name, adapter, base, half=True)
        card = Card(name, "", 0.0, 0, 0, 0, None, nan)
        write_whole(into / name / CARD, json.dumps(asdict(card), indent=2) + "\n")
    write_whole(into / INDEX, json.dumps({"pllms": names}, indent=2) + "\n")
