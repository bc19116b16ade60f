"""Merging adapters is exact: the merged delta is the weighted sum of the dense deltas (XPerT, step 5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from sim.llm.adapters.lora import Layout, Site, merge

LAYOUT = Layout((Site("one", 24, 40), Site("two", 40, 24)), rank=4, alpha=8.0)


def adapters(count: int) -> list[Tensor]:
    return [torch.randn(LAYOUT.size, generator=torch.Generator().manual_seed(i)) for i in range(count)]


def deltas(layout: Layout, flat: Tensor) -> list[Tensor]:
    """The dense change of each site's weight, (outputs, inputs), as float64."""
    return [layout.scale * b[0].double() @ a[0].double() for a, b in layout.views(flat[None])]


@pytest.mark.parametrize("weights", [[1.0], [0.4], [0.7, 0.3], [0.1, 0.2, 0.3, 0.15, 0.25], [1.5, -0.5]])
def test_the_merged_delta_is_the_weighted_sum_of_the_deltas(weights: Sequence[float]) -> None:
    parts = adapters(len(weights))
    layout, merged = merge(LAYOUT, parts, weights)
    dense = [deltas(LAYOUT, part) for part in parts]
    for i, delta in enumerate(deltas(layout, merged)):
        expected = sum(w * d[i] for w, d in zip(weights, dense, strict=True))
        np.testing.assert_allclose(delta.numpy(), expected.numpy(), atol=1e-5, rtol=1e-5)


def test_adapters_of_different_ranks_are_merged_as_exactly() -> None:
    wide, parts = LAYOUT.at_rank(12), adapters(2)
    parts[1] = torch.randn(wide.size, generator=torch.Generator().manual_seed(7))
    layout, merged = merge(LAYOUT, parts, [0.4, 0.6])
    assert layout == LAYOUT.at_rank(4 + 12)
    for i, delta in enumerate(deltas(layout, merged)):
        expected = 0.4 * deltas(LAYOUT, parts[0])[i] + 0.6 * deltas(wide, parts[1])[i]
        np.testing.assert_allclose(delta.numpy(), expected.numpy(), atol=1e-5, rtol=1e-5)
    layout, half = merge(LAYOUT, parts[1:], [0.5])
    assert layout == wide
    np.testing.assert_allclose(deltas(layout, half)[0].numpy(), 0.5 * deltas(wide, parts[1])[0].numpy(), atol=1e-5)


def test_cross_terms_would_be_seen() -> None:
    """Adding A and B apart, as PEFT's "linear" does, is something else."""
    one, other = adapters(2)
    apart = deltas(LAYOUT, 0.5 * one + 0.5 * other)[0]
    layout, merged = merge(LAYOUT, [one, other], [0.5, 0.5])
    assert (apart - deltas(layout, merged)[0]).abs().max() > 1.0


def test_one_adapter_of_weight_one_stays_as_it_is() -> None:
    (one,) = adapters(1)
    layout, merged = merge(LAYOUT, [one], [1.0])
    assert layout == LAYOUT
    assert merged is one
