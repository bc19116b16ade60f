"""LoRA: to the output of each adapted layer, alpha / rank times B A x is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

import devices
from sim.experiment.sections import Training
from sim.llm.adapters.base import ALL, AdapterKind, Layout, Site, sites_of
from sim.llm.adapters.checks import number, whole
from sim.llm.kernels.low_rank import low_rank


@dataclass(frozen=True)
class Lora(AdapterKind):
    """LoRA (Hu et al., ICLR 2022) of a rank on some layers of an LLM."""

    name: ClassVar[str] = "lora"
    rank: int
    alpha: float
    targets: tuple[str, ...] = ALL

    @classmethod
    def of(cls, training: Training) -> Self:
        return cls(training.rank, training.alpha, tuple(training.targets))

    def settings(self) -> dict[str, object]:
        """As they were when there was no other kind, so that pools built then are found again."""
        return {"rank": self.rank, "alpha": self.alpha, "targets": list(self.targets)}

    def on(self, model: nn.Module) -> LoraLayout:
        return LoraLayout(sites_of(model, self.targets), self.rank, self.alpha)

    def billed(self, merged: int = 1) -> devices.Adapter:
        """An exact merge has the ranks of all that was merged together."""
        return devices.Lora(self.rank * merged, self.targets)


@dataclass(frozen=True)
class LoraLayout(Layout):
    """Each site has A (rank, inputs) and B (outputs, rank). Adapters of any rank and one scale go together."""

    peft_type: ClassVar[str] = "LORA"
    rank: int
    alpha: float

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    def shapes(self, site: Site) -> Mapping[str, tuple[int, ...]]:
        return {"lora_A.weight": (self.rank, site.inputs), "lora_B.weight": (site.outputs, self.rank)}

    def forward(self, site: Site, base: nn.Linear, x: Tensor, own: tuple[Tensor, ...]) -> Tensor:
        a, b = own
        y = low_rank(x, base.weight, a, b, self.scale)
        return y if base.bias is None else y + base.bias

    def fresh(self, rng: np.random.Generator) -> Tensor:
        """A Kaiming-uniform (bound 1/sqrt(inputs)), B zero."""
        flat = self.neutral()
        for site, (a, _) in zip(self.sites, self.views(flat[None]), strict=True):
            bound = site.inputs**-0.5
            a.copy_(torch.from_numpy(rng.uniform(-bound, bound, (1, self.rank, site.inputs)).astype(np.float32)))
        return flat

    def neutral(self) -> Tensor:
        return torch.zeros(self.size)

    def combine(self, flats: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Stacked along the rank, which is exact: PEFT's "linear" adds A and B apart, and so has cross terms.

        The result has the rank of all adapters together; they may have any, for a phone may have trained a merged one.
        """
        own = [self.of(flat) for flat in flats]
        merged = self.at_rank(sum(each.rank for each in own))
        out = torch.empty(1, merged.size)
        sources = [each.views(flat[None]) for each, flat in zip(own, flats, strict=True)]
        for i, (a, b) in enumerate(merged.views(out)):
            a.copy_(torch.cat([s[i][0] for s in sources], dim=1))
            b.copy_(torch.cat([w * s[i][1] for w, s in zip(weights, sources, strict=True)], dim=2))
        return out[0]

    def config(self) -> dict[str, Any]:
        return {"r": self.rank, "lora_alpha": self.alpha, "lora_dropout": 0.0, "bias": "none"}

    def refusal(self, config: Mapping[str, Any]) -> str:
        rank, alpha = whole(config, "r"), number(config, "lora_alpha")
        if rank == self.rank and abs(alpha - self.alpha) <= 1e-6:
            return ""
        return (
            f"has rank {rank} and alpha {alpha:g}, but training.rank is {self.rank} and training.alpha {self.alpha:g}"
        )

    # ------------------------------------------------------------ several ranks

    def at_rank(self, rank: int) -> LoraLayout:
        """The same sites at another rank with the same scale."""
        return self if rank == self.rank else LoraLayout(self.sites, rank, self.scale * rank)

    def of(self, flat: Tensor) -> LoraLayout:
        return self.at_rank(flat.shape[-1] * self.rank // self.size)

    def widened(self, flat: Tensor) -> Tensor:
        """Padded with zero ranks: neither output nor gradients change, and zeros stay zero under AdamW."""
        own = self.of(flat)
        if own.rank == self.rank:
            return flat
        out = torch.zeros(1, self.size)
        for (a, b), (wide_a, wide_b) in zip(own.views(flat[None]), self.views(out), strict=True):
            wide_a[:, : own.rank].copy_(a)
            wide_b[:, :, : own.rank].copy_(b)
        return out[0]
