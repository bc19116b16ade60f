"""Rows end to end give what padded rows give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sim.llm.adapters.lora import Lora
from sim.llm.kernels.linear import GRAIN
from sim.llm.kernels.loss import token_losses
from sim.llm.lanes import Lanes
from sim.llm.model import Encoded, LanguageModel
from sim.llm.training.batches import EMPTY, collate, lane_losses


def some_rows(count: int) -> list[Encoded]:
    rng = np.random.default_rng(count)
    lengths = rng.integers(3, 40, count)
    return [Encoded(rng.integers(4, 300, n).astype(np.int32), int(rng.integers(1, 3))) for n in lengths]


@pytest.mark.parametrize("lanes", [1, 3, 4])
def test_packed_losses_and_gradients_are_those_of_padded_rows(tiny_llm: Path, lanes: int) -> None:
    lm = LanguageModel(tiny_llm)
    layout = Lora(4, 8.0).on(lm.model)
    wrapped = Lanes(lm.model, layout)
    rows = [*some_rows(3 * lanes - 2), EMPTY, EMPTY]
    flat = torch.randn(lanes, layout.size, generator=torch.Generator().manual_seed(0)) * 0.1
    assert lm.packs
    found = {}
    for packs in (True, False):
        lm.packs = packs
        batch = collate(rows, lanes, lm)
        assert (batch.lengths is not None) == packs
        assert not packs or (batch.ids.numel() % GRAIN == 0 and sum(batch.lengths or ()) == batch.ids.numel())
        leaf = flat.clone().requires_grad_()
        with wrapped.active(layout.views(leaf)):
            loss, count = lane_losses(lm, batch)
        found[packs] = loss.detach(), count, *torch.autograd.grad(loss.sum(), leaf)
    for packed, padded in zip(found[True], found[False], strict=True):
        torch.testing.assert_close(packed, padded, atol=1e-4, rtol=1e-4)


def test_a_model_that_sees_a_window_of_positions_is_padded(tiny_llm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = LanguageModel(tiny_llm)
    monkeypatch.setattr(lm.model.config, "sliding_window", 4, raising=False)
    assert not lm._can_pack()


@pytest.mark.parametrize("count", [1, 31, 300])
def test_token_losses_are_cross_entropy(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.llm.kernels.loss.CACHED_LOGITS", 64 * 500)
    head = torch.nn.Linear(24, 500, bias=False).requires_grad_(False)
    head.weight *= 20  # confident, and often wrong
    hidden = torch.randn(count, 24, requires_grad=True)
    targets, weights = torch.randint(500, (count,)), torch.rand(count)
    ours = token_losses(head, hidden, targets)
    theirs = F.cross_entropy(head(hidden), targets, reduction="none")
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)
    slopes = [torch.autograd.grad((loss * weights).sum(), hidden)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*slopes, atol=1e-4, rtol=1e-4)
