"""LoRA adapters as flat vectors: their layout, plain PEFT files, and exact merging."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sim.common.errors import UserError

PREFIX = "base_model.model."
WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class Site:
    """One adapted linear layer: its module path and its sizes."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True)
class Layout:
    """Where each site's A (rank, inputs) and B (outputs, rank) lie in an adapter's flat vector."""

    sites: tuple[Site, ...]
    rank: int
    alpha: float

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    @cached_property
    def size(self) -> int:
        """Number of adapter parameters."""
        return sum(self.rank * (s.inputs + s.outputs) for s in self.sites)

    @cached_property
    def _offsets(self) -> tuple[int, ...]:
        sizes = [self.rank * (s.inputs + s.outputs) for s in self.sites]
        return tuple(np.concatenate([[0], np.cumsum(sizes)[:-1]]).tolist())

    def views(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Views of flat (lanes, size) as one (A (lanes, rank, inputs), B (lanes, outputs, rank)) per site."""
        lanes, pairs = len(flat), []
        for site, at in zip(self.sites, self._offsets, strict=True):
            middle, end = at + self.rank * site.inputs, at + self.rank * (site.inputs + site.outputs)
            a = flat[:, at:middle].view(lanes, self.rank, site.inputs)
            pairs.append((a, flat[:, middle:end].view(lanes, site.outputs, self.rank)))
        return pairs

    def fresh(self, rng: np.random.Generator) -> Tensor:
        """A new adapter as PEFT initialises it: A Kaiming-uniform (bound 1/sqrt(inputs)), B zero. Shape (size,)."""
        flat = torch.zeros(1, self.size)
        for site, (a, _) in zip(self.sites, self.views(flat), strict=True):
            bound = site.inputs**-0.5
            a.copy_(torch.from_numpy(rng.uniform(-bound, bound, (1, self.rank, site.inputs)).astype(np.float32)))
        return flat[0]

    def at_rank(self, rank: int) -> Layout:
        """The same sites at another rank with the same scale."""
        return Layout(self.sites, rank, self.scale * rank)

    def of(self, flat: Tensor) -> Layout:
        """The layout of flat adapters (..., size) of these sites, which may have another rank."""
        return self.at_rank(flat.shape[-1] * self.rank // self.size)

    # ------------------------------------------------------------ PEFT files

    def state_dict(self, flat: Tensor) -> dict[str, Tensor]:
        """PEFT's tensors of a flat adapter (size,)."""
        out = {}
        for site, (a, b) in zip(self.sites, self.views(flat[None].detach().cpu()), strict=True):
            out[f"{PREFIX}{site.name}.lora_A.weight"] = a[0].contiguous()
            out[f"{PREFIX}{site.name}.lora_B.weight"] = b[0].contiguous()
        return out

    def from_state_dict(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The flat adapter (size,) of PEFT's tensors. Raises KeyError or RuntimeError where they do not fit."""
        flat = torch.empty(1, self.size)
        for site, (a, b) in zip(self.sites, self.views(flat), strict=True):
            a[0].copy_(tensors[f"{PREFIX}{site.name}.lora_A.weight"])
            b[0].copy_(tensors[f"{PREFIX}{site.name}.lora_B.weight"])
        return flat[0]


def layout_for(model: nn.Module, rank: int, alpha: float, targets: Sequence[str] | str) -> Layout:
    """The layout of LoRA on a model's linear layers.

    Args:
        targets: last parts of module names, as PEFT's `target_modules`; or "all-linear" (all but the output layer).
    Raises: UserError when nothing matches or a match is no `nn.Linear`.
    """
    output = getattr(model, "get_output_embeddings", None)
    head = output() if callable(output) else None
    sites = []
    for name, module in model.named_modules():
        wanted = targets == "all-linear" or name.rsplit(".", 1)[-1] in targets
        module = getattr(module, "base", module)  # a lane's wrapper shows what it wraps
        if wanted and isinstance(module, nn.Linear) and module is not head and not name.endswith(".base"):
            sites.append(Site(name, module.in_features, module.out_features))
    if not sites:
        names = sorted({n.rsplit(".", 1)[-1] for n, m in model.named_modules() if isinstance(m, nn.Linear)})
        raise UserError(
            f"training.targets: no linear layer named {targets!r} in the model; it has {', '.join(names) or 'none'}."
        )
    return Layout(tuple(sites), rank, alpha)


def save_adapter(folder: Path, layout: Layout, flat: Tensor, base: str, half: bool = False) -> None:
    """Write a standard PEFT adapter folder (loads with `PeftModel.from_pretrained`)."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = layout.state_dict(flat)
    if half:
        tensors = {k: v.half() for k, v in tensors.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": layout.rank,
        "lora_alpha": layout.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted({s.name.rsplit(".", 1)[-1] for s in layout.sites}),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def check_adapter(folder: Path) -> tuple[int, float]:
    """Rank and alpha of a PEFT adapter folder. Raises UserError when a file is missing or broken; reads no weights."""
    path, config_path = folder / WEIGHTS, folder / "adapter_config.json"
    for needed in (path, config_path):
        if not needed.is_file():
            raise UserError(f"pool: {needed} is missing; rebuild the pool or remove the folder {folder}.")
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"pool: {config_path} is broken ({type(error).__name__}: {error}).") from error
    try:
        with safe_open(path, "pt"):  # compares the header with the file's length
            return rank, alpha
    except SafetensorError as error:
        raise UserError(f"pool: {path} is broken ({error}).") from error


def load_adapter(folder: Path, layout: Layout) -> Tensor:
    """Read a PEFT adapter folder as a flat vector of `layout`.

    Raises: UserError when a file is missing or broken, or the adapter has another rank, scale or other targets.
    """
    rank, alpha = check_adapter(folder)
    if rank != layout.rank or abs(alpha - layout.alpha) > 1e-6:
        raise UserError(
            f"pool: {folder} has rank {rank} and alpha {alpha:g}, "
            f"but training.rank is {layout.rank} and training.alpha {layout.alpha:g}."
        )
    try:
        return layout.from_state_dict(load_file(folder / WEIGHTS))
    except (KeyError, RuntimeError) as error:
        raise UserError(f"pool: {folder} does not fit the model's targets ({error}).") from error


def merge(layout: Layout, flats: Sequence[Tensor], weights: Sequence[float]) -> tuple[Layout, Tensor]:
    """Merge adapters exactly: the delta of the result is sum_i w_i delta_i (XPerT section 5).

    PEFT's "linear" adds A and B apart and so has cross terms; stacking along the rank has none. One adapter of
    weight 1 is returned as it is. Returns the layout (of the rank of all adapters together) and the flat vector.

    Args:
        layout: of the sites; the adapters may have any ranks, for a phone may have trained a merged one.
    """
    own = [layout.of(f) for f in flats]
    if len(flats) == 1 and weights[0] == 1.0:
        return own[0], flats[0]
    merged = layout.at_rank(sum(each.rank for each in own))
    out = torch.empty(1, merged.size)
    sources = [each.views(f[None]) for each, f in zip(own, flats, strict=True)]
    for i, (a, b) in enumerate(merged.views(out)):
        a.copy_(torch.cat([s[i][0] for s in sources], dim=1))
        b.copy_(torch.cat([w * s[i][1] for w, s in zip(weights, sources, strict=True)], dim=2))
    return merged, out[0]


def widen(layout: Layout, flat: Tensor, rank: int) -> Tensor:
    """Pad an adapter with zero ranks: neither its output nor its gradients change, zeros stay zero under AdamW."""
    if layout.rank == rank:
        return flat
    wide = layout.at_rank(rank)
    out = torch.zeros(1, wide.size)
    for (a, b), (wa, wb) in zip(layout.views(flat[None]), wide.views(out), strict=True):
        wa[:, : layout.rank].copy_(a)
        wb[:, :, : layout.rank].copy_(b)
    return out[0]
