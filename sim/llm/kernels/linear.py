"""Linear layers by oneDNN on CPUs.

torch multiplies fp32 matrices with MKL, which does not use AVX-512 on AMD processors: oneDNN, which torch carries as
well, is twice as fast there (docs/log.md). Results differ in the last bits only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _onednn() -> Any:
    """torch's operator for a linear layer by oneDNN, or None: not on this machine, or not in this torch."""
    operators: Any = getattr(torch.ops, "mkldnn", None)
    if not torch.backends.mkldnn.is_available() or not hasattr(operators, "_linear_pointwise"):
        return None
    try:
        operators._linear_pointwise(torch.zeros(2, 4), torch.zeros(3, 4), None, "none", [], "")
    except RuntimeError:
        return None
    return operators._linear_pointwise


_LINEAR = _onednn()

GRAIN = 32
"""Rows of products should come in multiples of it: oneDNN compiles a kernel for each new number of rows, which takes
ten times as long as the product (0.4 ms for 400 rows of width 96), and remembers 1,024 of them."""


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x (..., inputs) times weight (outputs, inputs) transposed: (..., outputs). Knows no gradients."""
    if _LINEAR is None or x.dtype != torch.float32 or weight.dtype != torch.float32 or x.device.type != "cpu":
        return F.linear(x, weight)
    return _LINEAR(x, weight, None, "none", [], "")


class Product(torch.autograd.Function):
    """`product` with gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x if weight.requires_grad else None, weight)
        return product(x, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (grad,) = grads
        x, weight = ctx.saved_tensors
        grad_x = product(grad, weight.t()) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return grad_x, None
        return grad_x, product(grad.flatten(0, -2).t(), x.flatten(0, -2).t())


class Linear(nn.Linear):
    """`nn.Linear`, multiplied by `product`."""

    def forward(self, input: Tensor) -> Tensor:
        y = Product.apply(input, self.weight)
        return y if self.bias is None else y + self.bias


def speed_up(model: nn.Module) -> None:
    """Let a model's plain linear layers use `product`. In place: they stay the same modules with the same weights."""
    if _LINEAR is not None:
        for module in model.modules():
            if type(module) is nn.Linear:
                module.__class__ = Linear
