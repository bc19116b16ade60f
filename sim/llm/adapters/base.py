"""The interfaces of a kind of adapter: `AdapterKind` with its settings, and `Layout`, its adapters on one LLM.

An adapter is a flat float32 vector (size,). Those of several users on one frozen LLM are stacked as (lanes, size) and
trained and run in one batch (`sim.llm.lanes`). So all that the rest of the simulator has to know of a kind is which
tensors lie where in that vector, what they do to a linear layer, how adapters are merged, what their PEFT files hold,
and as what the cost model bills them. A new kind is one file with a subclass of each interface and one line in
`sim.llm.adapters`, or no line at all: `training.adapter = "my_module:MyKind"`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

import devices
from sim.common.errors import UserError
from sim.experiment.sections import Training
from sim.llm.adapters.checks import check_tensor, named, shown, unread
from sim.llm.adapters.files import CONFIG, PREFIX, broken, check_folder, read_weights, write_folder

ALL = ("all-linear",)
"""Targets that stand for every linear layer but the output layer."""


@dataclass(frozen=True)
class Site:
    """One adapted linear layer: its module path and its sizes."""

    name: str
    inputs: int
    outputs: int


class AdapterKind(ABC):
    """A kind of adapter with its settings, those of the config's `[training]` section. Knows no LLM yet."""

    name: ClassVar[str]
    """What `training.adapter` calls it."""

    @classmethod
    @abstractmethod
    def of(cls, training: Training) -> Self:
        """The kind with a config's settings. Raises UserError where they are not good for it."""

    @abstractmethod
    def settings(self) -> dict[str, object]:
        """All that decides what comes out of training such an adapter, as JSON: part of the hash of cached pools.

        Whoever changes what a kind does changes this too, for instance by a version in it.
        """

    @abstractmethod
    def on(self, model: nn.Module) -> Layout:
        """The layout of such adapters on an LLM. Raises UserError where the LLM has no layer for them."""

    @abstractmethod
    def billed(self, merged: int = 1) -> devices.Adapter:
        """The same adapter as the cost model describes it (a `devices.Adapter`): FLOPs, bytes and memory on a phone.

        Args:
            merged: how many adapters were merged into the one that is trained, which may have made it larger.
        """


class _Part(NamedTuple):
    """One tensor of one site: its name in a PEFT file, and the columns of the flat vector where it lies."""

    key: str
    start: int
    end: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Layout(ABC):
    """Where the tensors of one kind of adapter lie in its flat vector, for the layers of one LLM, and what they do.

    Two layouts are equal where their adapters are interchangeable.
    """

    sites: tuple[Site, ...]
    peft_type: ClassVar[str]
    """What PEFT calls this kind in `adapter_config.json`."""

    # ------------------------------------------------------------ what a kind says

    @abstractmethod
    def shapes(self, site: Site) -> Mapping[str, tuple[int, ...]]:
        """Shapes of a site's tensors by PEFT's names for them (what follows the module's path), in their order."""

    @abstractmethod
    def forward(self, site: Site, base: nn.Linear, x: Tensor, own: tuple[Tensor, ...]) -> Tensor:
        """What an adapted layer makes of x (lanes, n, inputs): (lanes, n, outputs).

        Args:
            own: the site's tensors of every lane, (lanes, *shape) each, in the order of `shapes`.
        """

    @abstractmethod
    def fresh(self, rng: np.random.Generator) -> Tensor:
        """A new adapter (size,), as PEFT initialises it."""

    @abstractmethod
    def neutral(self) -> Tensor:
        """The adapter (size,) that changes nothing."""

    @abstractmethod
    def combine(self, flats: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """What `merge` makes of one adapter or more, of any sizes that the kind knows."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The kind's own entries of PEFT's `adapter_config.json`."""

    def refusal(self, config: Mapping[str, Any]) -> str:
        """Why an adapter of this kind with this `adapter_config.json` is none of this layout; "" where it is one.

        Asked of the entries that `config` writes; all others are checked for every kind. Reads as what follows the
        folder's name in an error. May raise KeyError, TypeError or ValueError.
        """
        return ""

    def targets(self) -> list[str]:
        """PEFT's `target_modules`: the last parts of the sites' names."""
        return sorted({site.name.rsplit(".", 1)[-1] for site in self.sites})

    def merge(self, flats: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """The adapter of the LLM theta_base + sum_i w_i (theta_i - theta_base), exactly (XPerT section 5).

        A single one of weight 1 comes back as it is, to the last bit.
        """
        return flats[0] if len(flats) == 1 and weights[0] == 1.0 else self.combine(flats, weights)

    # ------------------------------------------------------------ several sizes, for kinds that have them

    def of(self, flat: Tensor) -> Layout:
        """The layout of flat adapters (..., size) of these sites, which may have another size than this one's."""
        if flat.shape[-1] != self.size:
            raise ValueError(f"an adapter of {flat.shape[-1]} parameters, where {self.size} are expected")
        return self

    def widened(self, flat: Tensor) -> Tensor:
        """An adapter (any size up to this layout's) filled up to (size,) with what changes nothing, nor ever trains."""
        return flat

    def widest(self, flats: Sequence[Tensor]) -> Layout:
        """The layout of the largest of some adapters; this one where there are none."""
        return max(map(self.of, flats), key=lambda layout: layout.size, default=self)

    def stack(self, flats: Sequence[Tensor]) -> Tensor:
        """Adapters of any sizes as (lanes, size of the largest)."""
        widest = self.widest(flats)
        return torch.stack([widest.widened(flat) for flat in flats])

    # ------------------------------------------------------------ the flat vector

    @cached_property
    def _parts(self) -> tuple[tuple[_Part, ...], ...]:
        parts, at = [], 0
        for site in self.sites:
            own = []
            for name, shape in self.shapes(site).items():
                own.append(_Part(f"{PREFIX}{site.name}.{name}", at, at + prod(shape), shape))
                at += prod(shape)
            parts.append(tuple(own))
        return tuple(parts)

    @cached_property
    def size(self) -> int:
        """Number of an adapter's parameters."""
        return self._parts[-1][-1].end

    def views(self, flat: Tensor) -> list[tuple[Tensor, ...]]:
        """Views of adapters flat (lanes, size) as the tensors of each site, (lanes, *shape) each.

        They come in the order in which they lie there and leave nothing out.
        """
        lanes = len(flat)
        return [tuple(flat[:, p.start : p.end].view(lanes, *p.shape) for p in parts) for parts in self._parts]

    def state_dict(self, flat: Tensor) -> dict[str, Tensor]:
        """PEFT's tensors of an adapter (size,)."""
        flat = flat.detach().cpu()
        return {p.key: flat[p.start : p.end].view(p.shape).contiguous() for parts in self._parts for p in parts}

    def from_state_dict(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The adapter (size,) of PEFT's tensors. Raises KeyError or ValueError where they do not fit."""
        flat, expected = torch.empty(self.size), [p for parts in self._parts for p in parts]
        for part in expected:
            check_tensor(part.key, tensors[part.key], part.shape)
            flat[part.start : part.end].view(part.shape).copy_(tensors[part.key])
        if more := sorted(set(tensors) - {part.key for part in expected}):
            raise ValueError(f"it also has {shown(more[0])}")
        return flat

    # ------------------------------------------------------------ PEFT folders

    def save(self, folder: Path, flat: Tensor, base: str, half: bool = False) -> None:
        """Write an adapter (size,) as a plain PEFT folder, which `PeftModel.from_pretrained` loads.

        Args:
            base: name or folder of the LLM that it is for. half: in 16 bits.
        """
        tensors = self.state_dict(flat)
        config = {
            "peft_type": self.peft_type,
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base,
            **self.config(),
            "inference_mode": True,
            "target_modules": self.targets(),
        }
        write_folder(folder, config, {k: v.half() for k, v in tensors.items()} if half else tensors)

    def load(self, folder: Path) -> Tensor:
        """Read a PEFT folder as an adapter (size,).

        Raises: UserError when a file is missing or broken, or says anything that this layout does not do: another
            kind, size, scale or other targets, an entry or a tensor that nobody here uses, numbers that are none.
        """
        config, path = check_folder(folder), folder / CONFIG
        if config["peft_type"] != self.peft_type:
            raise UserError(
                f"pool: {path} is that of a {shown(config['peft_type'])} adapter; "
                f"training.adapter expects {self.peft_type}."
            )
        try:
            refusal = unread(config, self.config()) or self._untargeted(config) or self.refusal(config)
        except (KeyError, TypeError, ValueError) as error:
            raise broken(path, error) from error
        if refusal:
            raise UserError(f"pool: {folder} {refusal}.")
        try:
            return self.from_state_dict(read_weights(folder))
        except (KeyError, ValueError) as error:
            raise UserError(f"pool: {folder} does not fit the model's targets ({error}).") from error

    def _untargeted(self, config: Mapping[str, Any]) -> str:
        names = [site.name for site in self.sites]
        meant = named(config, "target_modules", names)
        if meant is None or len(meant) == len(names):
            return ""
        return f"has no {next(name for name in names if name not in meant)} among its target_modules, which is adapted"


def sites_of(model: nn.Module, targets: Sequence[str]) -> tuple[Site, ...]:
    """The linear layers of an LLM that carry an adapter.

    Args:
        targets: last parts of module names, as PEFT's `target_modules`; or `ALL`.
    Raises: UserError when nothing matches.
    """
    output = getattr(model, "get_output_embeddings", None)
    head = output() if callable(output) else None
    sites = []
    for name, module in model.named_modules():
        wanted = tuple(targets) == ALL or name.rsplit(".", 1)[-1] in targets
        module = getattr(module, "base", module)  # a lane's wrapper shows what it wraps
        if wanted and isinstance(module, nn.Linear) and module is not head and not name.endswith(".base"):
            sites.append(Site(name, module.in_features, module.out_features))
    if not sites:
        names = sorted({n.rsplit(".", 1)[-1] for n, m in model.named_modules() if isinstance(m, nn.Linear)})
        raise UserError(
            f"training.targets: no linear layer named {list(targets)!r} in the model; "
            f"it has {', '.join(names) or 'none'}."
        )
    return tuple(sites)
