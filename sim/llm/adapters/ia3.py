"""(IA)3: each adapted layer's output is multiplied by a learned vector; of layers that leave the MLP the input is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

import devices
from sim.experiment.sections import Training
from sim.llm.adapters.base import ALL, AdapterKind, Layout, Site, sites_of
from sim.llm.adapters.checks import named, shown

FEEDFORWARD = ("down_proj", "fc2", "fc_out", "dense_4h_to_h", "mlp.c_proj", "w2")
"""How the names of layers end that leave the MLP (stage 3 in `devices`; PEFT's table for (IA)3 has them too): they are
scaled where the MLP's inner states enter them, as in the paper. Layers of other names are scaled at their output."""


@dataclass(frozen=True)
class Ia3(AdapterKind):
    """(IA)3 (Liu et al., NeurIPS 2022) on some layers of an LLM.

    The paper scales keys, values and the MLP's inner states (`targets = ["k_proj", "v_proj", "down_proj"]` of a Llama);
    "all-linear" scales every other layer's output as well.
    """

    name: ClassVar[str] = "ia3"
    targets: tuple[str, ...] = ALL

    @classmethod
    def of(cls, training: Training) -> Self:
        """`rank` and `alpha` are LoRA's, and mean nothing here."""
        return cls(tuple(training.targets))

    def settings(self) -> dict[str, object]:
        return {"kind": self.name, "targets": list(self.targets)}

    def on(self, model: nn.Module) -> Ia3Layout:
        return Ia3Layout(sites_of(model, self.targets))

    def billed(self, merged: int = 1) -> devices.Adapter:
        """However many are merged, the result is one vector a layer."""
        return devices.Ia3(self.targets)


@dataclass(frozen=True)
class Ia3Layout(Layout):
    """Each site has one vector: (1, inputs) where it leaves the MLP, else (outputs, 1)."""

    peft_type: ClassVar[str] = "IA3"

    @cached_property
    def feedforward(self) -> frozenset[Site]:
        """The sites that leave the MLP."""
        endings = tuple(f".{ending}" for ending in FEEDFORWARD)
        return frozenset(site for site in self.sites if f".{site.name}".endswith(endings))

    def shapes(self, site: Site) -> Mapping[str, tuple[int, ...]]:
        return {"ia3_l": (1, site.inputs) if site in self.feedforward else (site.outputs, 1)}

    def forward(self, site: Site, base: nn.Linear, x: Tensor, own: tuple[Tensor, ...]) -> Tensor:
        factor = own[0].flatten(1)[:, None]
        return base(x * factor) if site in self.feedforward else base(x) * factor

    def fresh(self, rng: np.random.Generator) -> Tensor:
        """Ones: every adapter begins as one that changes nothing."""
        return self.neutral()

    def neutral(self) -> Tensor:
        return torch.ones(self.size)

    def combine(self, flats: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Exact, for weights and biases are linear in the vectors: 1 + sum_i w_i (l_i - 1)."""
        one = self.neutral()
        out = one.clone()
        for flat, weight in zip(flats, weights, strict=True):
            out += weight * (flat - one)
        return out

    def targets(self) -> list[str]:
        return sorted(set().union(*self._endings))

    def config(self) -> dict[str, Any]:
        return {"feedforward_modules": sorted(self._endings[0])}

    def refusal(self, config: Mapping[str, Any]) -> str:
        meant = named(config, "feedforward_modules", [site.name for site in self.sites])
        if meant is None or meant == {site.name for site in self.feedforward}:
            return ""
        return f"has feedforward_modules = {shown(config['feedforward_modules'])}; expected {self.config()}"

    @cached_property
    def _endings(self) -> tuple[set[str], set[str]]:
        """How the names end of sites that leave the MLP, and of the others, for PEFT to find them by.

        Their last parts; or the last two, where one would not tell them apart (attn.c_proj, mlp.c_proj).
        """

        def last(parts: int) -> tuple[set[str], set[str]]:
            found: tuple[set[str], set[str]] = (set(), set())
            for site in self.sites:
                found[site not in self.feedforward].add(".".join(site.name.split(".")[-parts:]))
            return found

        return last(2) if set.intersection(*last(1)) else last(1)
