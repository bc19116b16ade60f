"""The runtime `mebp`: memory-efficient backpropagation (Song and Tang, EMNLP 2025 industry, arXiv 2510.03425).

The frozen weights lie in flash, compressed and mapped into memory. Layer by layer they are unpacked, used and dropped;
the layers' inputs are kept in mapped files, and a layer is computed once more before its backward pass. So memory holds
one layer at a time. The price is time: the recomputation, and unpacking each weight on each of its two visits.

The formula has no fitted constant. docs/devices.md holds it against the published peaks, with its error.
"""

from __future__ import annotations

from devices import flops, memory
from devices.adapters import Adapter, Lora
from devices.architecture import Llm, bytes_per_weight, quantised
from devices.basics import Floats, Numbers, floats
from devices.constants import Constants

SGD_BYTES = 4.0
"""A trained weight in 16 bits with its gradient: what the published peaks hold, which are of plain gradient descent."""


def training_bytes(
    llm: Llm,
    tokens: Numbers,
    precision: str,
    constants: Constants,
    *,
    adapter: Adapter = Lora(),
    context: Numbers | None = None,
    trainable_bytes: float = memory.TRAINABLE_BYTES,
) -> Floats:
    """Peak memory of a training step of `tokens` tokens, in bytes.

    The output head as stored, one layer's weights unpacked to 16 bits (or as stored, where that is more), one layer's
    inner states and their gradients, its attention weights once, the logits once in fp32, and the adapter with
    `trainable_bytes` a weight (default: fp32 with gradient and Adam's moments). What belongs to the head and to a layer
    is added although they take turns: buffers are kept for the next use, and the published peaks are sums.
    """
    tokens = floats(tokens)
    length = tokens if context is None else floats(context)
    stored = bytes_per_weight(precision)
    head, layer = llm.head_parameters * stored, llm.layer_parameters * max(stored, bytes_per_weight("fp16"))
    state = constants["memory.activation_bytes"]
    states = state * tokens * (2 * memory.inner_states(llm) + llm.heads * length)
    return head + layer + states + 4.0 * tokens * llm.vocab + adapter.parameters(llm) * trainable_bytes


def time_flops(
    llm: Llm, tokens: Numbers, precision: str, constants: Constants, *, context: Numbers | None = None
) -> Floats:
    """The time of a step, as the FLOPs that the phone's training rate does in it; its work is less.

    Two ratios are published, of one phone: a step's time to that of two forward passes (MeZO's step), and the share of
    a forward pass that unpacking takes. Weights in floats need no unpacking.
    """
    unpacking = constants["mebp.unpacking"] if quantised(precision) else 0.0
    return constants["mebp.step_forwards"] / (1 - unpacking) * flops.forward(llm, tokens, context)
