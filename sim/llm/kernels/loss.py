"""Cross entropy over a vocabulary, some rows at a time: logits stay in the cache, none wait for the backward pass."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sim.llm.kernels.linear import GRAIN, product

CACHED_LOGITS, MANY_LOGITS = 1 << 19, 1 << 28
"""Logits made at once: on a CPU, and on a GPU, which wants large matrices."""


class _TokenLosses(torch.autograd.Function):
    """hidden (n, width), output weights (vocabulary, width), targets (n,): losses (n,). The gradient of hidden is
    made beside the loss, while a softmax is at hand."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        count, filling = len(hidden), -len(hidden) % GRAIN
        hidden, targets = F.pad(hidden, (0, 0, 0, filling)), F.pad(targets, (0, filling))
        losses = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        slope = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        logits_at_once = CACHED_LOGITS if hidden.device.type == "cpu" else MANY_LOGITS
        rows = max(1, logits_at_once // (len(weight) * GRAIN)) * GRAIN
        for at in range(0, len(hidden), rows):
            some, wanted = slice(at, at + rows), targets[at : at + rows, None]
            logits = product(hidden[some], weight).float()
            probability = logits.softmax(dim=1)
            best = logits.amax(dim=1, keepdim=True) - probability.amax(dim=1, keepdim=True).log()  # log of the sum
            losses[some] = (best - logits.gather(1, wanted))[:, 0]
            if slope is not None:
                probability.scatter_add_(1, wanted, probability.new_full(wanted.shape, -1.0))
                slope[some] = product(probability.to(hidden.dtype), weight.t())
        ctx.save_for_backward(None if slope is None else slope[:count])
        return losses[:count]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return None if slope is None else slope * grads[0][:, None].to(slope.dtype), None, None


def token_losses(head: nn.Module, hidden: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy (nats) of each target (n,) from hidden states (n, width) through an output layer: float32 (n,)."""
    if isinstance(head, nn.Linear) and head.bias is None and not head.weight.requires_grad:
        return _TokenLosses.apply(hidden, head.weight, targets)
    return F.cross_entropy(head(hidden).float(), targets, reduction="none")
