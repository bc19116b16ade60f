"""Lanes: many adapters over one frozen base in one batch.

Each target layer is wrapped once. A batch holds the same number of rows for every lane, lane after lane; the frozen
weight sees one big GEMM, and what adapters do to each lane their kind says (`Layout.forward`). Losses are summed over
lanes, so every lane's gradient is its own, and U lanes train exactly as U separate runs (tests/sim/llm/test_lanes.py
holds them against PEFT).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from sim.llm.adapters.base import Layout, Site


class LaneLinear(nn.Module):
    """A frozen linear layer with an adapter for each lane. Without active lanes it is the base layer."""

    def __init__(self, base: nn.Linear, site: Site) -> None:
        super().__init__()
        self.base, self.site = base, site
        self.layout: Layout | None = None
        self.own: tuple[Tensor, ...] = ()  # the site's tensors of all lanes

    @property
    def weight(self) -> Tensor:
        return self.base.weight

    def forward(self, x: Tensor) -> Tensor:
        if self.layout is None:
            return self.base(x)
        by_lane = x.reshape(len(self.own[0]), -1, x.shape[-1])
        return self.layout.forward(self.site, self.base, by_lane, self.own).reshape(*x.shape[:-1], -1)


class Lanes:
    """The wrapped layers of one model. Installing is in place, and done once per model and site."""

    def __init__(self, model: nn.Module, layout: Layout) -> None:
        self.layout = layout
        self._layers: list[LaneLinear] = []
        for site in layout.sites:
            parent_name, _, leaf = site.name.rpartition(".")
            parent = model.get_submodule(parent_name)
            layer = getattr(parent, leaf)
            if not isinstance(layer, LaneLinear):
                layer = LaneLinear(layer, site)
                setattr(parent, leaf, layer)
            self._layers.append(layer)

    @contextmanager
    def active(self, views: Sequence[tuple[Tensor, ...]]) -> Iterator[None]:
        """Run with these adapters: the tensors of each site, as `Layout.views` gives them."""
        for layer, own in zip(self._layers, views, strict=True):
            layer.layout, layer.own = self.layout, own
        try:
            yield
        finally:
            for layer in self._layers:
                layer.layout, layer.own = None, ()

    @contextmanager
    def serving(self, flat: Tensor) -> Iterator[None]:
        """Run inference with stacked adapters (lanes, size)."""
        with self.active(self.layout.of(flat).views(flat)):
            yield


class LaneOptimizer:
    """AdamW with a step count and a learning rate per lane, over flat adapters (lanes, size).

    Same update as torch.optim.AdamW.
    Gradients are clipped per lane to `max_grad_norm` (0: not at all).
    """

    def __init__(
        self,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        max_grad_norm: float = 1.0,
    ) -> None:
        self.betas, self.eps = betas, eps
        self.weight_decay, self.max_grad_norm = weight_decay, max_grad_norm

    def update(self, theta: Tensor, grad: Tensor, m: Tensor, v: Tensor, step: Tensor, lr: Tensor) -> None:
        """One step in place. theta, grad, m, v: (lanes, size); step, already counting this one, and lr: (lanes,)."""
        beta1, beta2 = self.betas
        if self.max_grad_norm:
            norm = grad.norm(dim=1, keepdim=True)
            grad.mul_((self.max_grad_norm / (norm + 1e-6)).clamp_(max=1.0))
        m.lerp_(grad, 1 - beta1)
        v.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        t = step[:, None].to(theta.dtype)
        denominator = (v / (1 - beta2**t)).sqrt_().add_(self.eps)
        if self.weight_decay:
            theta.mul_(1 - lr[:, None] * self.weight_decay)
        theta.sub_(m.div(1 - beta1**t).div_(denominator).mul_(lr[:, None]))
