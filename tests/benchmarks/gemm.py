"""What the machine can do at most: its rate of fp32 matrix products."""

from __future__ import annotations

import time
from typing import Any

import torch


def gemm(threads: int, seconds: float = 1.5, size: int = 1536) -> dict[str, Any]:
    """FLOP/s of the best of many square products with this many threads."""
    torch.set_num_threads(threads)
    a, b = torch.randn(size, size), torch.randn(size, size)
    out, best, ends = torch.empty(size, size), float("inf"), time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        torch.mm(a, b, out=out)
        best = min(best, time.perf_counter() - began)
    return {"flop_s": 2 * size**3 / best}
