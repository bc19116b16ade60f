"""What the training of both pocket LLMs shares: batches of like length, the optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from sim.llm.model import Encoded, LanguageModel


def bucketed(rows: list[Encoded], batch: int, rng: np.random.Generator) -> Iterator[Encoded]:
    """Rows in batches of like length, batches in random order."""
    rows = sorted(rows, key=len)
    starts = np.arange(0, len(rows) - batch + 1, batch)
    for start in rng.permutation(starts):
        yield from rows[start : start + batch]


def fit(
    lm: LanguageModel,
    loss: Callable[[], Tensor],
    steps: int,
    lr: float,
    tick: Callable[[int], None],
    extra: Sequence[torch.nn.Parameter] = (),
) -> None:
    """AdamW with warm-up and cosine decay."""
    lm.model.requires_grad_(True).train()
    parameters = [*lm.model.parameters(), *extra]
    optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(steps):
        warm = min(1.0, (step + 1) / 50)
        optimizer.param_groups[0]["lr"] = lr * warm * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        loss().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tick(step + 1)
    lm.model.requires_grad_(False).eval()
