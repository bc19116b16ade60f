"""A frozen weight and a low-rank update per lane, multiplied together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sim.llm.kernels.linear import product


class _LowRank(torch.autograd.Function):
    """One function and not four operations, so that sums are made in place, forward and backward. B is multiplied as
    its transpose (rank, out): batched products with a short last axis are three times slower (docs/log.md).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        low, b_t = torch.bmm(x, a.transpose(1, 2)), b.transpose(1, 2).contiguous()
        ctx.save_for_backward(x, weight, a, b_t, low)
        ctx.scale = scale
        return product(x, weight).baddbmm_(low, b_t, alpha=scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        x, weight, a, b_t, low = ctx.saved_tensors
        grad_low = torch.bmm(grad, b_t.transpose(1, 2)).mul_(ctx.scale)
        grad_x = product(grad, weight.t()).baddbmm_(grad_low, a) if ctx.needs_input_grad[0] else None
        grad_a = torch.bmm(grad_low.transpose(1, 2), x)
        grad_b = torch.bmm(low.transpose(1, 2), grad).mul_(ctx.scale).transpose(1, 2)
        return grad_x, None, grad_a, grad_b, None


def low_rank(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    """x W^T + scale (x A^T) B^T, each lane with its own A and B: (lanes, n, out). The weight gets no gradient.

    Args:
        x: (lanes, n, in). weight: (out, in), frozen. a: (lanes, rank, in). b: (lanes, out, rank).
    """
    return _LowRank.apply(x, weight, a, b, scale)
