"""Merging adapters is exact: the merged delta is the weighted sum of the dense deltas (XPerT, step 5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sim.llm.adapters.base import Layout, Site
from sim.llm.adapters.ia3 import Ia3Layout
from sim.llm.adapters.lora import LoraLayout

LAYOUT = LoraLayout((Site("one", 24, 40), Site("two", 40, 24)), rank=4, alpha=8.0)


def adapters(count: int) -> list[Tensor]:
    return [torch.randn(LAYOUT.size, generator=torch.Generator().manual_seed(i)) for i in range(count)]


def deltas(layout: LoraLayout, flat: Tensor) -> list[Tensor]:
    """The dense change of each site's weight, (outputs, inputs), as float64."""
    return [layout.scale * b[0].double() @ a[0].double() for a, b in layout.views(flat[None])]


@pytest.mark.parametrize("weights", [[1.0], [0.4], [0.7, 0.3], [0.1, 0.2, 0.3, 0.15, 0.25], [1.5, -0.5]])
def test_the_merged_delta_is_the_weighted_sum_of_the_deltas(weights: Sequence[float]) -> None:
    parts = adapters(len(weights))
    merged = LAYOUT.merge(parts, weights)
    dense = [deltas(LAYOUT, part) for part in parts]
    for i, delta in enumerate(deltas(LAYOUT.of(merged), merged)):
        expected = sum(w * d[i] for w, d in zip(weights, dense, strict=True))
        np.testing.assert_allclose(delta.numpy(), expected.numpy(), atol=1e-5, rtol=1e-5)


def test_adapters_of_different_ranks_are_merged_as_exactly() -> None:
    wide, parts = LAYOUT.at_rank(12), adapters(2)
    parts[1] = torch.randn(wide.size, generator=torch.Generator().manual_seed(7))
    merged = LAYOUT.merge(parts, [0.4, 0.6])
    assert LAYOUT.of(merged) == LAYOUT.at_rank(4 + 12)
    for i, delta in enumerate(deltas(LAYOUT.of(merged), merged)):
        expected = 0.4 * deltas(LAYOUT, parts[0])[i] + 0.6 * deltas(wide, parts[1])[i]
        np.testing.assert_allclose(delta.numpy(), expected.numpy(), atol=1e-5, rtol=1e-5)
    half = LAYOUT.merge(parts[1:], [0.5])
    assert LAYOUT.of(half) == wide
    np.testing.assert_allclose(deltas(wide, half)[0].numpy(), 0.5 * deltas(wide, parts[1])[0].numpy(), atol=1e-5)


def test_cross_terms_would_be_seen() -> None:
    """Adding A and B apart, as PEFT's "linear" does, is something else."""
    one, other = adapters(2)
    apart = deltas(LAYOUT, 0.5 * one + 0.5 * other)[0]
    merged = LAYOUT.merge([one, other], [0.5, 0.5])
    assert (apart - deltas(LAYOUT.of(merged), merged)[0]).abs().max() > 1.0


@pytest.mark.parametrize("layout", [LAYOUT, Ia3Layout(LAYOUT.sites)])
def test_one_adapter_of_weight_one_stays_as_it_is(layout: Layout) -> None:
    one = torch.randn(layout.size)
    assert layout.merge([one], [1.0]) is one


@pytest.mark.parametrize("weights", [[0.4], [0.7, 0.3], [0.1, 0.2, 0.3, 0.15, 0.25], [1.5, -0.5]])
def test_merged_ia3_is_the_weighted_sum_of_what_each_changes_in_weights_and_biases(weights: Sequence[float]) -> None:
    layout = Ia3Layout((Site("mlp.up_proj", 24, 40), Site("mlp.down_proj", 40, 24)))
    generator = torch.Generator().manual_seed(len(weights))
    flats = [1 + torch.randn(layout.size, generator=generator) for _ in weights]
    merged = layout.merge(flats, weights)
    assert merged.shape == (layout.size,)
    for i, site in enumerate(layout.sites):
        base = nn.Linear(site.inputs, site.outputs)
        plain = dense(layout, base, layout.neutral(), i)
        np.testing.assert_allclose(plain, dense_of(base), atol=1e-12)
        expected = plain + sum(w * (dense(layout, base, f, i) - plain) for w, f in zip(weights, flats, strict=True))
        np.testing.assert_allclose(dense(layout, base, merged, i), expected, atol=1e-5)


def dense_of(base: nn.Linear) -> np.ndarray:
    """A layer's weight and bias as one float64 array (inputs + 1, outputs)."""
    return torch.cat([base.weight.T, base.bias[None]]).detach().double().numpy()


def dense(layout: Ia3Layout, base: nn.Linear, flat: Tensor, i: int) -> np.ndarray:
    """The weight and bias that an adapter makes of a layer's, by what comes out for zero and for each unit vector."""
    site, wide = layout.sites[i], nn.Linear(base.in_features, base.out_features, dtype=torch.float64)
    wide.load_state_dict({k: v.double() for k, v in base.state_dict().items()})
    x = torch.cat([torch.eye(site.inputs), torch.zeros(1, site.inputs)]).double()[None]
    out = layout.forward(site, wide, x, layout.views(flat[None].double())[i])[0].detach()
    out[:-1] -= out[-1:].clone()
    return out.numpy()
