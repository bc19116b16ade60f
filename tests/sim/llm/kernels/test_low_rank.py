"""The product of a frozen weight and low-rank updates is the plain formula, forward and backward."""

from __future__ import annotations

import pytest
import torch

from sim.llm.kernels.low_rank import low_rank


@pytest.mark.parametrize(("lanes", "rank"), [(1, 1), (3, 4)])
def test_low_rank_is_the_plain_formula(lanes: int, rank: int) -> None:
    generator = torch.Generator().manual_seed(rank)
    x, a, b = (
        torch.randn(shape, generator=generator).requires_grad_()
        for shape in ((lanes, 7, 12), (lanes, rank, 12), (lanes, 20, rank))
    )
    weight, upstream = torch.randn(20, 12, generator=generator), torch.randn(lanes, 7, 20, generator=generator)
    ours = low_rank(x, weight, a, b, 2.5)
    plain = x @ weight.T + 2.5 * (x @ a.transpose(1, 2)) @ b.transpose(1, 2)
    torch.testing.assert_close(ours, plain, atol=1e-4, rtol=1e-5)
    slopes = [torch.autograd.grad(y, (x, a, b), upstream) for y in (ours, plain)]
    for found, expected in zip(*slopes, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-5)
