"""Lanes: many LoRA adapters over one frozen base in one batch.

Each target layer is wrapped once. A batch holds the same number of rows for every lane, lane after lane; the frozen
weight sees one big GEMM, the adapters two batched ones. Losses are summed over lanes, so every lane's gradient is
its own, and U lanes train exactly as U separate runs (tests/sim/llm/test_lanes.py holds them against PEFT).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sim.llm.adapters.lora import Layout, widen
from sim.llm.kernels.linear import product


class _LaneProduct(torch.autograd.Function):
    """x (lanes, n, in) times a frozen weight (out, in), plus one low-rank delta per lane: (lanes, n, out).

    One function and not four operations, so that sums are made in place, forward and backward. B is multiplied as
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


class LaneLinear(nn.Module):
    """A frozen linear layer plus one low-rank delta per lane. Without active lanes it is the base layer."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.pair: tuple[Tensor, Tensor] | None = None  # A (lanes, rank, in), B (lanes, out, rank)
        self.scale = 1.0

    @property
    def weight(self) -> Tensor:
        return self.base.weight

    def forward(self, x: Tensor) -> Tensor:
        if self.pair is None:
            return self.base(x)
        a, b = self.pair
        by_lane = x.reshape(len(a), -1, x.shape[-1])
        y = _LaneProduct.apply(by_lane, self.base.weight, a, b, self.scale).view(*x.shape[:-1], -1)
        return y if self.base.bias is None else y + self.base.bias


class Lanes:
    """The wrapped layers of one model. Installing is in place, and done once per model and layout."""

    def __init__(self, model: nn.Module, layout: Layout) -> None:
        self.layout = layout
        self._layers: list[LaneLinear] = []
        for site in layout.sites:
            parent_name, _, leaf = site.name.rpartition(".")
            parent = model.get_submodule(parent_name)
            layer = getattr(parent, leaf)
            if not isinstance(layer, LaneLinear):
                layer = LaneLinear(layer)
                setattr(parent, leaf, layer)
            self._layers.append(layer)

    @contextmanager
    def active(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> Iterator[None]:
        """Run with these adapters, one (A, B) per site, as `Layout.views` gives them."""
        for layer, pair in zip(self._layers, pairs, strict=True):
            layer.pair, layer.scale = pair, self.layout.scale
        try:
            yield
        finally:
            for layer in self._layers:
                layer.pair = None

    def rank_of(self, flat: Tensor) -> int:
        """Rank of flat adapters (..., size)."""
        return self.layout.of(flat).rank

    def widened(self, flat: Tensor, rank: int) -> Tensor:
        """A flat adapter (size,) padded with zero ranks."""
        return widen(self.layout.of(flat), flat, rank)

    def stack(self, flats: Sequence[Tensor]) -> Tensor:
        """Stack flat adapters of any ranks into (lanes, size) at the widest rank."""
        rank = max(map(self.rank_of, flats))
        return torch.stack([self.widened(f, rank) for f in flats])

    @contextmanager
    def serving(self, flat: Tensor) -> Iterator[None]:
        """Run inference with stacked adapters (lanes, size)."""
        with self.active(self.layout.of(flat).views(flat)):
            yield


class LaneOptimizer:
    """AdamW with one step count per lane, over flat adapters (lanes, size). Same update as torch.optim.AdamW.

    Gradients are clipped per lane to `max_grad_norm` (0: not at all).
    """

    def __init__(
        self,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        max_grad_norm: float = 1.0,
    ) -> None:
        self.lr, self.betas, self.eps = lr, betas, eps
        self.weight_decay, self.max_grad_norm = weight_decay, max_grad_norm

    def update(self, theta: Tensor, grad: Tensor, m: Tensor, v: Tensor, step: Tensor) -> None:
        """One step in place. theta, grad, m, v: (lanes, size); step: (lanes,), already counting this one."""
        beta1, beta2 = self.betas
        if self.max_grad_norm:
            norm = grad.norm(dim=1, keepdim=True)
            grad.mul_((self.max_grad_norm / (norm + 1e-6)).clamp_(max=1.0))
        m.lerp_(grad, 1 - beta1)
        v.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        t = step[:, None].to(theta.dtype)
        denominator = (v / (1 - beta2**t)).sqrt_().add_(self.eps)
        if self.weight_decay:
            theta.mul_(1 - self.lr * self.weight_decay)
        theta.sub_(m.div(1 - beta1**t).div_(denominator).mul_(self.lr))
