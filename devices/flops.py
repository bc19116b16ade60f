"""FLOPs of a forward pass and of a training step, counted as torch's FlopCounterMode counts products.

A product of an m x k by a k x n matrix is 2 m n k FLOPs. Attention is counted as its causal half, since a token
sees only itself and what came before it (`Llm.causal`), and with the products of eager attention (a fused kernel
recomputes the scores in the backward pass: half a forward attention more). Element-wise work is not counted: norms,
activations, the optimiser, the vectors of (IA)3.

`tokens` is the number of tokens in the batch, `context` the length of the sequences they come in (default:
one sequence). Both may be arrays. tests/devices/test_flops.py holds these formulas to FlopCounterMode.
"""

from __future__ import annotations

from collections.abc import Collection

from devices.architecture import Llm, Matrix
from devices.basics import Floats, Numbers, floats

EVERYWHERE: frozenset[str | int] = frozenset(("q", "k", "v", 0, 1, 2, 3))
"""What depends on trained weights in every layer but the first: q, k, v and the inputs of all stages."""


def forward(llm: Llm, tokens: Numbers, context: Numbers | None = None, logits: Numbers | None = None) -> Floats:
    """Forward pass: 2 FLOPs a token and weight, the head at `logits` positions (default: all), attention."""
    tokens = floats(tokens)
    positions = tokens if logits is None else floats(logits)
    body = 2.0 * llm.layers * llm.layer_parameters * tokens
    return body + 2.0 * llm.head_parameters * positions + llm.layers * attention(llm, tokens, context)


def attention(llm: Llm, tokens: Numbers, context: Numbers | None = None) -> Floats:
    """Scores and their product with the values, in one layer."""
    tokens = floats(tokens)
    length = tokens if context is None else floats(context)
    seen = (length + 1) / 2 if llm.causal else length  # by a token, on average
    return 4.0 * tokens * seen * llm.heads * llm.head_dim


def decode(llm: Llm, tokens: Numbers, context: Numbers = 0) -> Floats:
    """Decoding of `tokens` tokens, one by one, after `context` earlier ones."""
    tokens = floats(tokens)
    seen = tokens * floats(context) + tokens * (tokens + 1) / 2
    return 2.0 * llm.matmul_parameters * tokens + 4.0 * llm.layers * llm.heads * llm.head_dim * seen


def lora_step(
    llm: Llm,
    tokens: Numbers,
    rank: int,
    targets: Collection[Matrix],
    context: Numbers | None = None,
    *,
    checkpointing: bool = False,
) -> Floats:
    """One step that trains LoRA of rank `rank` on `targets` of every layer, the LLM itself frozen.

    Forward, the gradient through every frozen matrix whose input depends on an adapter (in the first layer
    that is not all of them), the adapters' own work, and with `checkpointing` the layers' forward once
    more. Raises ValueError for a rank below 1, or no target.
    """
    if rank < 1 or not targets:
        raise ValueError("a LoRA step needs a rank of at least 1 and at least one target matrix")

    def backward(depends: frozenset[str | int]) -> int:
        # gradients of both factors, back through B, and back through A where the input depends
        return sum(rank * (2 * m.outputs + (2 if m.stage in depends else 1) * m.inputs) for m in targets)

    first = _first_layer_depends(llm, targets)
    return _adapter_step(
        llm, tokens, context, checkpointing, first, own_forward=rank * sum(m.inputs + m.outputs for m in targets),
        own_first=backward(first), own_rest=backward(EVERYWHERE),
    )  # fmt: skip


def ia3_step(
    llm: Llm,
    tokens: Numbers,
    targets: Collection[Matrix],
    context: Numbers | None = None,
    *,
    checkpointing: bool = False,
) -> Floats:
    """One step that trains the vectors of (IA)3 on `targets` of every layer, the LLM itself frozen.

    Forward, the gradient through every frozen matrix whose input depends on a vector, and with
    `checkpointing` the layers' forward once more. A matrix that leaves the MLP has its input scaled, so that
    this input depends on a vector in the first layer too. Scaling and the vectors' own gradients are
    element-wise and not counted. Raises ValueError for no target.
    """
    if not targets:
        raise ValueError("a step of (IA)3 needs at least one target matrix")
    scaled_inputs = {m.stage for m in targets if m.leaves_mlp}
    first = _first_layer_depends(llm, targets) | scaled_inputs
    return _adapter_step(llm, tokens, context, checkpointing, first)


def full_step(llm: Llm, tokens: Numbers, context: Numbers | None = None) -> Floats:
    """One step that trains every weight: each product once forward, twice backward."""
    return 3.0 * forward(llm, tokens, context)


def _adapter_step(
    llm: Llm,
    tokens: Numbers,
    context: Numbers | None,
    checkpointing: bool,
    first: frozenset[str | int],
    *,
    own_forward: int = 0,
    own_first: int = 0,
    own_rest: int = 0,
) -> Floats:
    """One step that trains an adapter, of which `first` depends on it in the first layer.

    `own_*`: the adapter's own multiplications a token in one layer: forward, backward in the first layer, and
    backward in the others.
    """
    tokens = floats(tokens)
    scores = attention(llm, tokens, context) / 2  # one of the two products
    layer_forward = 2.0 * llm.layer_parameters * tokens + 2 * scores + 2.0 * own_forward * tokens
    first_backward = _layer_backward(llm, tokens, own_first, scores, first)
    rest_backward = _layer_backward(llm, tokens, own_rest, scores, EVERYWHERE)
    head = 4.0 * llm.head_parameters * tokens
    recompute = llm.layers * layer_forward if checkpointing else 0.0
    return llm.layers * layer_forward + recompute + head + first_backward + (llm.layers - 1) * rest_backward


def _first_layer_depends(llm: Llm, targets: Collection[Matrix]) -> frozenset[str | int]:
    """In the first layer: which of q, k, v and which stages' inputs depend on the adapted matrices' outputs."""
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


def _layer_backward(llm: Llm, tokens: Floats, own: int, scores: Floats, depends: frozenset[str | int]) -> Floats:
    through_frozen = sum(m.parameters for m in llm.matrices if m.stage in depends)
    to_scores = "q" in depends or "k" in depends
    products = ("q" in depends) + ("k" in depends) + to_scores + ("v" in depends)
    return 2.0 * (through_frozen + own) * tokens + products * scores
