"""xpert_merge: XPerT where no single pLLM matches."""

import numpy as np
from scipy.optimize import nnls

from strategies.xpert import Xpert


class XpertMerge(Xpert):
    """As `xpert`, but start from a merge of the few pLLMs whose explanations together give the user's own.

    XPerT's step 5 (Wang et al., MobiSys 2025): the user's coordinates as a sparse non-negative combination of the
    pLLMs', whose coefficients weigh the deltas; where only one pLLM is left, it is the nearest, with weight 1. The
    phone downloads and computes what `xpert` does, and each pLLM that is merged.

    Args:
        most: pLLMs that are merged at most.
        least: share of all coefficients under which a pLLM is left out.
        settings: those of `xpert`.
    """

    on_phone = Xpert.on_phone | {"most", "least"}
    offers_as = Xpert

    def __init__(self, most: int = 3, least: float = 0.15, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        if most < 1 or not 0 <= least <= 1:
            raise ValueError(f"most = {most}, least = {least}: at least 1, and a share between 0 and 1 are expected")
        self.most, self.least = most, least

    def weigh(self, z: np.ndarray, pool: np.ndarray, score: np.ndarray) -> dict[int, float]:
        rows = pool.astype(np.float64)
        first, _ = nnls(rows.T, z)
        kept = [i for i in np.argsort(-first)[: self.most] if first[i] >= max(self.least * first.sum(), 1e-9)]
        if len(kept) < 2:
            return super().weigh(z, pool, score)
        again, _ = nnls(rows[kept].T, z)
        return {int(i): float(w) for i, w in zip(kept, again, strict=True) if w > 0}
