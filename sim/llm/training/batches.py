"""Batches of texts for lanes, and the loss per lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import torch
from torch import Tensor

from sim.llm.kernels.linear import GRAIN
from sim.llm.kernels.loss import token_losses
from sim.llm.model import Encoded, LanguageModel, pad

EMPTY = Encoded(np.zeros(2, dtype=np.int32), 2)
"""A row that fills a lane with fewer texts than its neighbours: no answer tokens, no loss."""


@dataclass(frozen=True)
class Batch:
    """Rows lane after lane, the same number of tokens for each."""

    ids: Tensor  # (rows, T), or (1, tokens) where rows lie end to end
    lengths: list[int] | None  # of the rows that lie end to end; None: they are padded
    answers: Tensor  # (answer tokens,) where in the flattened ids they are predicted
    targets: Tensor  # (answer tokens,)
    lane: Tensor  # (answer tokens,) lane of each
    lanes: int


def collate(rows: Sequence[Encoded], lanes: int, lm: LanguageModel) -> Batch:
    """Lay out rows, as many for each lane: end to end where the model can, else padded on the right.

    Causal attention needs no mask for what is on the right.
    """
    inputs = [row.ids[:-1] for row in rows]
    if lm.packs:
        pieces, begins = _filled(inputs, lanes, lm.pad_id)
        ids, lengths = np.concatenate(pieces)[None].astype(np.int64), [len(p) for p in pieces]
    else:
        ids, lengths = pad(inputs, lm.pad_id), None
        begins = [i * ids.shape[1] for i in range(len(rows))]
    starts = [max(row.answer_start, 1) for row in rows]
    places = [np.arange(b + s - 1, b + len(r) - 1) for r, b, s in zip(rows, begins, starts, strict=True)]
    lane = np.repeat(np.arange(len(rows)) * lanes // len(rows), [len(p) for p in places])
    targets = np.concatenate([row.ids[s:] for row, s in zip(rows, starts, strict=True)]).astype(np.int64)
    return Batch(
        ids=torch.from_numpy(ids).to(lm.device),
        lengths=lengths,
        answers=torch.from_numpy(np.concatenate(places)).to(lm.device),
        targets=torch.from_numpy(targets).to(lm.device),
        lane=torch.from_numpy(lane).to(lm.device),
        lanes=lanes,
    )


def _filled(rows: Sequence[np.ndarray], lanes: int, pad_id: int) -> tuple[list[np.ndarray], list[int]]:
    """Rows lane after lane, each lane filled up to the longest with pieces no longer than a row; where rows begin."""
    each, longest = len(rows) // lanes, max(map(len, rows))
    tokens = [sum(map(len, rows[i * each : (i + 1) * each])) for i in range(lanes)]
    most = max(tokens) + -max(tokens) % (GRAIN // gcd(GRAIN, lanes))
    pieces, begins, at = [], [], 0
    for i in range(lanes):
        for row in rows[i * each : (i + 1) * each]:
            pieces.append(row)
            begins.append(at)
            at += len(row)
        missing = most - tokens[i]
        pieces += [np.full(min(longest, missing - j), pad_id, dtype=np.int32) for j in range(0, missing, longest)]
        at += missing
    return pieces, begins


def lane_losses(lm: LanguageModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Summed loss (nats) and number of answer tokens of each lane, both (lanes,). Prompt tokens get no logits."""
    hidden = lm.hidden(batch.ids, lengths=batch.lengths).flatten(0, 1)[batch.answers]
    token_loss = token_losses(lm.head, hidden, batch.targets)
    zeros = torch.zeros(batch.lanes, device=batch.ids.device)
    counts = zeros.index_add(0, batch.lane, torch.ones_like(token_loss))
    return zeros.index_add(0, batch.lane, token_loss), counts
