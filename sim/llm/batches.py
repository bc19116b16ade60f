"""Batches of texts for lanes, and the loss per lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sim.llm.loss import token_losses
from sim.llm.model import Encoded, LanguageModel, pad

EMPTY = Encoded(np.zeros(2, dtype=np.int32), 2)
"""A row that fills a lane with fewer texts than its neighbours: no answer tokens, no loss."""


@dataclass(frozen=True)
class Batch:
    """Rows lane after lane, the same number for each: ids (rows, T), which positions predict answer tokens."""

    ids: Tensor
    predicts: Tensor  # (rows, T) bool
    targets: Tensor  # (answer tokens,)
    lane: Tensor  # (answer tokens,) lane of each
    lanes: int


def collate(rows: Sequence[Encoded], lanes: int, pad_id: int, device: torch.device) -> Batch:
    """Pad rows on the right; causal attention then needs no mask."""
    ids = pad([r.ids for r in rows], pad_id)
    lengths = np.array([len(r) for r in rows])[:, None]
    starts = np.array([max(r.answer_start, 1) for r in rows])[:, None]
    at = np.arange(1, ids.shape[1])[None]  # the position whose token is predicted
    predicts = (at >= starts) & (at < lengths)
    lane = np.repeat(np.arange(lanes), len(rows) // lanes)[:, None]
    return Batch(
        ids=torch.from_numpy(ids[:, :-1]).to(device),
        predicts=torch.from_numpy(predicts).to(device),
        targets=torch.from_numpy(ids[:, 1:][predicts]).to(device),
        lane=torch.from_numpy(np.broadcast_to(lane, predicts.shape)[predicts]).to(device),
        lanes=lanes,
    )


def lane_losses(lm: LanguageModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Summed loss (nats) and number of answer tokens of each lane, both (lanes,). Prompt tokens get no logits."""
    hidden = lm.hidden(batch.ids)[batch.predicts]
    token_loss = token_losses(lm.head, hidden, batch.targets)
    zeros = torch.zeros(batch.lanes, device=batch.ids.device)
    counts = zeros.index_add(0, batch.lane, torch.ones_like(token_loss))
    return zeros.index_add(0, batch.lane, token_loss), counts
