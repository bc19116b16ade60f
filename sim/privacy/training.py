"""DP-SGD in lanes (Abadi et al., CCS 2016): fine-tuning that tells little of any one text.

Each text of a step has a lane of its own with a copy of the user's adapter, so the gradient of that copy is the text's
gradient. It is clipped, those of a user are added up, noise is added, and AdamW goes on with the sum as with any
gradient: what follows the noise tells no more than the noise lets through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
import torch
from torch import Tensor

from sim.llm.lanes import LaneOptimizer, Lanes
from sim.llm.model import Encoded, LanguageModel
from sim.llm.training.batches import collate, lane_losses
from sim.llm.training.progress import Key, Lane


@dataclass(frozen=True)
class Mechanism:
    """What every user does.

    `steps` are fixed, for an end that texts decide would tell of them. `sampling`: the chance of each text to be in a
    step. `clip`: the largest norm of a text's gradient. `noise`: standard deviation of the noise on the sum of a step's
    gradients, in units of `clip`.
    """

    steps: int
    sampling: float
    clip: float
    noise: float
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Made(Generic[Key]):
    """A private adapter (size,), and what it took: `texts` read in all steps, with so many `tokens`."""

    key: Key
    adapter: Tensor
    texts: int
    tokens: int


def train_privately(
    lm: LanguageModel, layers: Lanes, lanes: Sequence[Lane[Key]], mechanism: Mechanism, width: int
) -> Iterator[Made[Key]]:
    """Train every lane, all of whose starts have one size; what became of each, in their order.

    A lane's `rng` decides which texts are in a step, and the noise. It has no validation texts: none may decide.

    Args:
        width: texts in one batch.
    """
    layout = layers.layout
    theta, m, v = torch.zeros(3, len(lanes), layout.size, device=lm.device)
    for at, lane in enumerate(lanes):
        theta[at] = lane.start
    lr = torch.tensor([lane.lr for lane in lanes], device=lm.device)
    expected = torch.tensor([mechanism.sampling * len(lane.texts) for lane in lanes], device=lm.device)
    optimizer = LaneOptimizer(weight_decay=mechanism.weight_decay, max_grad_norm=0.0)
    texts, tokens = np.zeros((2, len(lanes)), dtype=np.int64)
    for step in range(1, mechanism.steps + 1):
        total = torch.zeros_like(theta)
        drawn = [(at, lane.texts[i]) for at, lane in enumerate(lanes) for i in _drawn(lane, mechanism.sampling)]
        drawn.sort(key=lambda one: -len(one[1]))  # neighbours are alike
        for first in range(0, len(drawn), width):
            some = drawn[first : first + width]
            whose = torch.tensor([at for at, _ in some], device=lm.device)
            grads = gradients(lm, layers, theta[whose], [text for _, text in some])
            total.index_add_(0, whose, clipped(grads, mechanism.clip))
            for at, text in some:
                texts[at] += 1
                tokens[at] += len(text)
        for at, lane in enumerate(lanes):
            noise = lane.rng.standard_normal(layout.size, dtype=np.float32)
            total[at] += mechanism.noise * mechanism.clip * torch.from_numpy(noise).to(lm.device)
        counted = torch.full((len(lanes),), step, device=lm.device)
        optimizer.update(theta, total / expected[:, None], m, v, counted, lr)
    for at, lane in enumerate(lanes):
        yield Made(lane.key, theta[at].cpu().clone(), int(texts[at]), int(tokens[at]))


def gradients(lm: LanguageModel, layers: Lanes, adapters: Tensor, texts: Sequence[Encoded]) -> Tensor:
    """The gradient of each text's mean loss per token, for its own adapter: both (texts, size)."""
    leaves = [tuple(t.detach().requires_grad_() for t in site) for site in layers.layout.views(adapters)]
    with layers.active(leaves):
        loss, count = lane_losses(lm, collate(texts, len(texts), lm))
    grads = torch.autograd.grad((loss / count.clamp(min=1)).sum(), [leaf for site in leaves for leaf in site])
    return torch.cat([grad.reshape(len(texts), -1) for grad in grads], dim=1)


def clipped(grads: Tensor, norm: float) -> Tensor:
    """Gradients (texts, size), each shortened to a norm where it is longer."""
    return grads.div((grads.norm(dim=1, keepdim=True) / norm).clamp(min=1.0))


def _drawn(lane: Lane[Key], sampling: float) -> np.ndarray:
    """Places of the texts in a step, each drawn by itself."""
    return np.flatnonzero(lane.rng.random(len(lane.texts)) < sampling)
