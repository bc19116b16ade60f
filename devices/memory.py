"""Whether an LLM fits an app on the phone: peak memory against what an app may use.

That training does not fit is a property of the software, so each formula names its runtime: `resident` software holds
the whole LLM in memory, as PEFT and llama.cpp do (here); `mebp` works layer by layer from flash (`mebp.py`).

The rule for an app's share of RAM is stated in constants.toml; no source gives one. What does not fit:
inference streams the layers from flash, training is refused. Nothing here raises; the answer is data with a
reason.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from devices.adapters import Adapter, Lora
from devices.architecture import Llm
from devices.basics import Floats, Numbers, floats
from devices.constants import Constants

FITS, STREAMS, REFUSED = 0, 1, 2
"""What happened to a phase: it ran from memory, it streamed the LLM from flash, or it could not run."""
Runtime = Literal["resident", "mebp"]
"""Software that trains: how it holds the LLM."""
RESIDENT, MEBP = RUNTIMES = get_args(Runtime)
TRAINABLE_BYTES = 16.0
"""A trained weight in fp32 with its gradient and Adam's two moments."""


def usable_bytes(ram_gb: Numbers, constants: Constants) -> Floats:
    """What an app may use on phones with this much RAM: max(floor x RAM, fraction x RAM - reserve)."""
    ram = floats(ram_gb)
    share = constants["memory.app_fraction"] * ram - constants["memory.app_reserve_gb"]
    return np.maximum(constants["memory.app_floor"] * ram, share) * 1e9


def inference_bytes(llm: Llm, tokens: Numbers, precision: str, constants: Constants) -> Floats:
    """Peak memory of prefill or decode: weights, key-value cache, one layer's activations, the engine."""
    tokens = floats(tokens)
    states = constants["memory.activation_bytes"] * tokens * (2 * llm.width + 2 * llm.mlp_width)
    activations = states + 4.0 * llm.vocab
    return llm.weight_bytes(precision) + llm.kv_bytes(tokens) + activations + _runtime(constants)


def streaming_bytes(llm: Llm, tokens: Numbers, precision: str, constants: Constants) -> Floats:
    """Peak memory of prefill or decode from flash: `memory.stream_layers` layers are held (the head in slices)."""
    held = constants["memory.stream_layers"] * llm.layer_parameters / llm.parameters * llm.weight_bytes(precision)
    return inference_bytes(llm, tokens, precision, constants) - llm.weight_bytes(precision) + held


def activation_bytes(llm: Llm, tokens: Numbers, context: Numbers | None, constants: Constants) -> Floats:
    """Activations of one layer that the backward pass needs, in bytes.

    A residual stream's worth twice for each norm and each addition (8 widths), q and attention's output (2
    heads x head_dim), keys and values, the MLP's inner states (4 MLP widths if gated, else 3), and the
    attention weights before and after softmax.
    """
    tokens = floats(tokens)
    scores = 2 * llm.heads * (tokens if context is None else floats(context))
    return constants["memory.activation_bytes"] * tokens * (inner_states(llm) + scores)


def inner_states(llm: Llm) -> int:
    """Numbers that one token leaves in one layer for the backward pass, attention weights apart."""
    q, kv = llm.heads * llm.head_dim, llm.kv_heads * llm.head_dim
    return 8 * llm.width + 2 * q + 2 * kv + (4 if llm.gated else 3) * llm.mlp_width


def training_bytes(
    llm: Llm,
    tokens: Numbers,
    precision: str,
    constants: Constants,
    *,
    adapter: Adapter | None = Lora(),
    context: Numbers | None = None,
    checkpointing: bool = False,
) -> Floats:
    """Peak memory of a training step of `tokens` tokens under the runtime `resident`, in bytes.

    Frozen weights at `precision`, the adapter with gradient and Adam state in fp32, activations (with
    checkpointing one layer's, and every layer's input; alike for every adapter), and logits with their softmax
    and gradient. `adapter=None`: every weight is trained, in fp32.
    """
    tokens = floats(tokens)
    if adapter is None:
        weights = llm.parameters * TRAINABLE_BYTES
    else:
        weights = llm.weight_bytes(precision) + adapter.parameters(llm) * TRAINABLE_BYTES
    one_layer = activation_bytes(llm, tokens, context, constants)
    inputs = constants["memory.activation_bytes"] * tokens * llm.width * llm.layers
    stored = inputs + one_layer if checkpointing else llm.layers * one_layer
    return weights + stored + 3 * 4.0 * tokens * llm.vocab + _runtime(constants)


def _runtime(constants: Constants) -> float:
    return constants["memory.runtime_gb"] * 1e9
