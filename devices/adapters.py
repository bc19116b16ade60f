"""Adapters as the cost model sees them: how many weights they train, what a training step of them computes.

`Lora` and `Ia3` describe the two that are known. Anything with the methods of `Adapter` can take their place.
Memory and seconds follow in `memory.py` and `device.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from devices import flops
from devices.architecture import Llm, Matrix, bytes_per_weight
from devices.basics import Floats, Numbers

Targets = str | Sequence[str] | None
"""Which matrices carry an adapter: names as in PEFT's `target_modules`, "all-linear", or None (what is usual)."""


class Adapter(Protocol):
    """A small set of weights that is trained in every layer while the LLM itself stays frozen."""

    @property
    def name(self) -> str:
        """What the kind of adapter is called: "lora", "ia3"."""

    def parameters(self, llm: Llm) -> int:
        """Trained weights. Raises ValueError for targets that the LLM does not have."""

    def bytes(self, llm: Llm, precision: str = "fp32") -> float:
        """Size on disk or on the air, in bytes."""

    def step_flops(
        self, llm: Llm, tokens: Numbers, context: Numbers | None = None, *, checkpointing: bool = False
    ) -> Floats:
        """FLOPs of one training step of `tokens` tokens in sequences of `context` (default: one sequence)."""


@dataclass(frozen=True)
class Lora:
    """LoRA (Hu et al. 2022): to each targeted matrix the product of two thin ones is added, `rank` wide.

    `targets=None` is PEFT's default: the projections to q and v, or the fused one.
    """

    rank: int = 8
    targets: Targets = None
    name: ClassVar[str] = "lora"

    def matrices(self, llm: Llm) -> tuple[Matrix, ...]:
        """The matrices of a layer that carry the adapter. Raises ValueError for a name that none has."""
        return _making("qv", llm) if self.targets is None else llm.targets(self.targets)

    def parameters(self, llm: Llm) -> int:
        """Weights of both factors on all matrices of every layer."""
        return llm.layers * sum(self.rank * (m.inputs + m.outputs) for m in self.matrices(llm))

    def bytes(self, llm: Llm, precision: str = "fp32") -> float:
        """Size on disk or on the air, in bytes."""
        return self.parameters(llm) * bytes_per_weight(precision)

    def step_flops(
        self, llm: Llm, tokens: Numbers, context: Numbers | None = None, *, checkpointing: bool = False
    ) -> Floats:
        """FLOPs of one training step; see `flops.lora_step`."""
        return flops.lora_step(llm, tokens, self.rank, self.matrices(llm), context, checkpointing=checkpointing)


@dataclass(frozen=True)
class Ia3:
    """(IA)3 (Liu et al. 2022): trained vectors scale what the targeted matrices put out.

    Of a matrix that leaves the MLP they scale the input instead (PEFT's `feedforward_modules`). `targets=None`
    is the paper's choice and, for Llama, PEFT's default: the projections to k and v, or the fused one, and the
    matrix that leaves the MLP. (For some families PEFT takes q where the paper has k.)
    """

    targets: Targets = None
    name: ClassVar[str] = "ia3"

    def matrices(self, llm: Llm) -> tuple[Matrix, ...]:
        """The matrices of a layer that carry a vector. Raises ValueError for a name that none has."""
        if self.targets is None:
            return (*_making("kv", llm), *(m for m in llm.matrices if m.leaves_mlp))
        return llm.targets(self.targets)

    def parameters(self, llm: Llm) -> int:
        """Entries of the vectors of every layer."""
        return llm.layers * sum(m.inputs if m.leaves_mlp else m.outputs for m in self.matrices(llm))

    def bytes(self, llm: Llm, precision: str = "fp32") -> float:
        """Size on disk or on the air, in bytes."""
        return self.parameters(llm) * bytes_per_weight(precision)

    def step_flops(
        self, llm: Llm, tokens: Numbers, context: Numbers | None = None, *, checkpointing: bool = False
    ) -> Floats:
        """FLOPs of one training step, without element-wise work; see `flops.ia3_step`."""
        return flops.ia3_step(llm, tokens, self.matrices(llm), context, checkpointing=checkpointing)


def _making(letters: str, llm: Llm) -> tuple[Matrix, ...]:
    """The matrices that make some of q, k and v."""
    return tuple(m for m in llm.matrices if set(m.feeds) & set(letters))
