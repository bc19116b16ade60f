"""The share that a strategy saves of a cost, against the same user from scratch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def share_saved(cost: ArrayLike, scratch: ArrayLike) -> np.ndarray:
    """1 - cost / scratch, element by element; NaN where either is unknown (NaN) or scratch costs nothing.

    Args:
        cost: what the strategy costs.
        scratch: what the same users cost from scratch, in the same unit; of a shape that broadcasts with `cost`.
    """
    base = np.asarray(scratch, dtype=np.float64)
    return np.asarray(1 - np.asarray(cost, dtype=np.float64) / np.where(base > 0, base, np.nan))
