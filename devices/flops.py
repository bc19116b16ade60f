"""FLOPs of a forward pass and of a training step, counted as torch's FlopCounterMode counts them.

A product of an m x k by a k x n matrix is 2 m n k FLOPs. Attention is counted as the full square of scores,
not its causal half, and with the products of eager attention (a fused kernel recomputes the scores in the
backward pass: half a forward attention more). Norms, activations and the optimiser are not counted.

`tokens` is the number of tokens in the batch, `context` the length of the sequences they come in (default:
one sequence). Both may be arrays. tests/devices/test_flops.py holds these formulas to FlopCounterMode.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from devices.basics import Numbers

if TYPE_CHECKING:
    from devices.architecture import Llm, Matrix


def forward(llm: Llm, tokens: Numbers, context: Numbers | None = None, logits: Numbers | None = None) -> Any:
    """Forward pass: 2 FLOPs a token and weight, the head at `logits` positions (default: all), attention."""
    tokens = np.asarray(tokens, dtype=np.float64)
    positions = tokens if logits is None else logits
    body = 2.0 * llm.layers * llm.layer_parameters * tokens
    return body + 2.0 * llm.head_parameters * positions + llm.layers * attention(llm, tokens, context)


def attention(llm: Llm, tokens: Numbers, context: Numbers | None = None) -> Any:
    """Scores and their product with the values, in one layer."""
    tokens = np.asarray(tokens, dtype=np.float64)
    return 4.0 * tokens * (tokens if context is None else context) * llm.heads * llm.head_dim


def decode(llm: Llm, tokens: Numbers, context: Numbers = 0) -> Any:
    """`tokens` tokens generated one by one after `context` earlier ones."""
    tokens = np.asarray(tokens, dtype=np.float64)
    seen = tokens * context + tokens * (tokens + 1) / 2
    return 2.0 * llm.matmul_parameters * tokens + 4.0 * llm.layers * llm.heads * llm.head_dim * seen


def lora_step(
    llm: Llm,
    tokens: Numbers,
    rank: int,
    targets: Collection[Matrix],
    context: Numbers | None = None,
    *,
    checkpointing: bool = False,
) -> Any:
    """One step that trains rank-`rank` adapters on `targets` of every layer, the LLM itself frozen.

    Forward, the gradient through every frozen matrix whose input depends on an adapter (in the first layer
    that is not all of them), the adapters' own work, and with `checkpointing` the layers' forward once
    more.
    """
    if rank < 1 or not targets:
        raise ValueError("a LoRA step needs a rank of at least 1 and at least one target matrix")
    tokens = np.asarray(tokens, dtype=np.float64)
    scores = attention(llm, tokens, context) / 2  # one of the two products
    adapters = 2.0 * rank * sum(m.inputs + m.outputs for m in targets) * tokens
    layer_forward = 2.0 * llm.layer_parameters * tokens + 2 * scores + adapters
    first = _layer_backward(llm, tokens, rank, targets, scores, _first_layer_depends(llm, targets))
    rest = _layer_backward(llm, tokens, rank, targets, scores, frozenset(("q", "k", "v", 0, 1, 2, 3)))
    head = 4.0 * llm.head_parameters * tokens
    recompute = llm.layers * layer_forward if checkpointing else 0.0
    return llm.layers * layer_forward + recompute + head + first + (llm.layers - 1) * rest


def full_step(llm: Llm, tokens: Numbers, context: Numbers | None = None) -> Any:
    """One step that trains every weight: each product once forward, twice backward."""
    return 3.0 * forward(llm, tokens, context)


def _first_layer_depends(llm: Llm, targets: Collection[Matrix]) -> frozenset[str | int]:
    """In the first layer: which of q, k, v and which stages' inputs depend on an adapter."""
    made = {letter for m in targets for letter in m.feeds}
    depends: set[str | int] = set(made)
    if made:
        depends.add(1)
    after_attention = bool(made) or any(m.stage == 1 for m in targets)
    if after_attention and not llm.parallel:
        depends.add(2)
    if 2 in depends or any(m.stage == 2 for m in targets):
        depends.add(3)
    return frozenset(depends)


def _layer_backward(
    llm: Llm,
    tokens: Any,
    rank: int,
    targets: Collection[Matrix],
    scores: Any,
    depends: frozenset[str | int],
) -> Any:
    through_frozen = sum(m.parameters for m in llm.matrices if m.stage in depends)
    # an adapter: gradients of both its factors, back through B, and back through A where the input depends
    own = sum(
        rank * (2 * m.outputs + (2 if m.stage in depends else 1) * m.inputs)
        for m in targets
    )  # fmt: skip
    to_scores = "q" in depends or "k" in depends
    products = ("q" in depends) + ("k" in depends) + to_scores + ("v" in depends)
    return 2.0 * (through_frozen + own) * tokens + products * scores
