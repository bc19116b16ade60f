"""Plain PEFT adapter folders: their two files, written and read. Any kind of adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from devices.basics import read_object
from sim.common.errors import UserError

PREFIX = "base_model.model."
"""What PEFT puts before a module's path in the names of tensors."""
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def write_folder(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write an adapter's folder, making it where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), folder / WEIGHTS, metadata={"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")


def check_folder(folder: Path) -> dict[str, Any]:
    """The `adapter_config.json` of an adapter's folder, which says of what kind it is (`peft_type`). Reads no weights.

    Raises: UserError when a file is missing or broken.
    """
    for needed in (folder / WEIGHTS, folder / CONFIG):
        if not needed.is_file():
            raise UserError(f"pool: {needed} is missing; rebuild the pool or remove the folder {folder}.")
    try:
        config = read_object(folder / CONFIG)
        if not isinstance(config.get("peft_type"), str):
            raise ValueError("peft_type is missing, or no text")
    except (OSError, ValueError) as error:
        raise broken(folder / CONFIG, error) from error
    try:
        with safe_open(folder / WEIGHTS, "pt"):  # compares the header with the file's length
            return config
    except (OSError, SafetensorError) as error:
        raise broken(folder / WEIGHTS, error) from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of an adapter's folder, by PEFT's names. Raises UserError."""
    try:
        return load_file(folder / WEIGHTS)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise broken(folder / WEIGHTS, error) from error


def broken(path: Path, error: Exception) -> UserError:
    """The error for a file that cannot be understood."""
    return UserError(f"pool: {path} is broken ({type(error).__name__}: {error}).")
