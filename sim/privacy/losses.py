"""What an adapter says to each of some texts: the number that guesses of membership are made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sim.llm.lanes import Lanes
from sim.llm.model import Encoded, LanguageModel
from sim.llm.training.batches import collate, lane_losses


def text_losses(lm: LanguageModel, layers: Lanes, adapter: Tensor, texts: Sequence[Encoded]) -> np.ndarray:
    """Mean loss per answer token of each text under one adapter (size,): float64 (texts,)."""
    out, order = np.zeros(len(texts)), np.argsort([-len(text) for text in texts], kind="stable")
    at = 0
    with torch.no_grad(), layers.serving(adapter[None].to(lm.device)):
        while at < len(order):
            some = order[at : at + max(1, lm.batch_tokens // len(texts[order[at]]))]
            loss, count = lane_losses(lm, collate([texts[i] for i in some], len(some), lm))
            out[some] = (loss.double() / count.clamp(min=1)).cpu().numpy()
            at += len(some)
    return out
