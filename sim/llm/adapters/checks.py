"""What an adapter's files say, held against what its layout does: used, or refused by name. Any kind of adapter.

`adapter_config.json` can ask for much that changes what the tensors beside it mean (scaling by another rule, other
layers, biases, changed base weights). An entry that nobody here acts on would make another LLM of it in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from sim.llm.adapters.files import CONFIG

MEANINGLESS = frozenset(
    "peft_type target_modules base_model_name_or_path revision peft_version auto_mapping inference_mode lora_dropout "
    "megatron_core runtime_config qalora_group_size".split()
)
"""Entries that change nothing of what trained tensors do, whatever they say, or that are checked elsewhere."""
USUAL: Mapping[str, tuple[object, ...]] = {
    "task_type": ("CAUSAL_LM",),
    "bias": ("none",),
    "init_lora_weights": (True, "gaussian", "orthogonal"),  # others change the base LLM's weights
    "init_ia3_weights": (True,),
}
"""Values that say what is done anyway. So do null, false and empty ones of any entry, also of PEFT's future ones."""
LARGEST = 1_000_000
"""Ranks and scales beyond are mistakes."""


def unread(config: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """The first entry of an `adapter_config.json` that asks for what is not done here; "" where none does.

    Args:
        own: entries that the adapter's kind writes; what else they may say it checks itself, but for `USUAL` ones.
    Returns: what follows the folder's name in an error.
    """
    for key, value in config.items():
        usual = USUAL.get(key, ())
        if not value or key in MEANINGLESS or value in usual or (key in own and not usual) or value == own.get(key):
            continue
        allowed = " or ".join(json.dumps(each) for each in (*usual, False, None))
        return f"has {shown(key)} = {shown(value)} in its {CONFIG}, which is not done here; allowed: {allowed}"
    return ""


def whole(config: Mapping[str, Any], key: str) -> int:
    """An entry that is a whole number above 0. Raises KeyError, ValueError."""
    value = config[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LARGEST:
        raise ValueError(f"{key} is {shown(value)}; a whole number above 0 is expected")
    return value


def number(config: Mapping[str, Any], key: str) -> float:
    """An entry that is a finite number above 0. Raises KeyError, ValueError."""
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LARGEST:
        raise ValueError(f"{key} is {shown(value)}; a number above 0 is expected")
    return float(value)


def named(config: Mapping[str, Any], key: str, layers: Iterable[str]) -> set[str] | None:
    """Those of some layers that an entry names as PEFT's `target_modules` does, by how their paths end.

    None where it is absent or one string: all, or a pattern, which is not tried, for it may take for ever; the tensors
    say which layers were meant. Raises ValueError.
    """
    endings = config.get(key)
    if endings is None or isinstance(endings, str):
        return None
    if not isinstance(endings, list) or not all(isinstance(ending, str) for ending in endings):
        raise ValueError(f"{key} is {shown(endings)}; a list of names or a pattern is expected")
    return {layer for layer in layers if any(f".{layer}".endswith(f".{ending}") for ending in endings)}


def check_tensor(key: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless a tensor has this shape exactly, and real, finite numbers."""
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{key} has shape {tuple(tensor.shape)}, not {shape}")
    if not tensor.is_floating_point():
        raise ValueError(f"{key} holds {str(tensor.dtype).removeprefix('torch.')}; floating-point numbers are expected")
    if not torch.isfinite(tensor.float()).all():
        raise ValueError(f"{key} holds numbers that are not finite in 32 bits")


def shown(value: object) -> str:
    """A value as JSON has it, on one line in ASCII, shortened; text without its quotes."""
    text = json.dumps(value, default=repr)
    text = text[1:-1] if isinstance(value, str) else text
    return text if len(text) <= 80 else f"{text[:80]}..."
