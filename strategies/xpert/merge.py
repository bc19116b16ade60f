"""xpert_merge: XPerT where no single pLLM matches."""

import numpy as np
from scipy.optimize import nnls

from strategies.base import lowest
from strategies.xpert import Floats, Xpert, distances


class XpertMerge(Xpert):
    """As `xpert`, but start from a merge of the few pLLMs whose explanations together give the user's own.

    XPerT's step 5 (Wang et al., MobiSys 2025): the user's coordinates as a sparse non-negative combination of the
    pLLMs'. The nearest pLLM comes first; another joins, the one that helps most, as long as it brings the combination
    nearer by `gain`. The coefficients weigh the deltas and are made to sum to 1, for a user's own texts show a style
    more strongly than any pLLM's and no delta is meant to be exaggerated. The phone downloads and computes what `xpert`
    does, and each pLLM that is merged.

    Args:
        most: pLLMs that are merged at most.
        gain: cosine that another pLLM has to bring.
        settings: those of `xpert`.
    """

    not_in_offer = Xpert.not_in_offer | {"most", "gain"}
    offers_as = Xpert

    def __init__(self, most: int = 3, gain: float = 0.06, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        if most < 1 or not 0 <= gain <= 1:
            raise ValueError(f"most = {most}, gain = {gain}: at least 1, and a cosine between 0 and 1 are expected")
        self.most, self.gain = most, gain

    def weigh(self, z: Floats, pool: Floats, score: Floats) -> dict[int, float]:
        rows = pool.astype(np.float64)
        kept, others = [lowest(score)], np.flatnonzero(~np.isnan(score)).tolist()
        near, weights = self._combine(z, rows[kept])
        while weights.any() and len(kept) < min(self.most, len(others)):
            tried = {i: self._combine(z, rows[[*kept, i]]) for i in others if i not in kept}
            best = min(tried, key=lambda i: tried[i][0])
            if near - tried[best][0] < self.gain:
                break
            kept.append(best)
            near, weights = tried[best]
        if len(kept) == 1:
            return super().weigh(z, pool, score)
        return {i: float(w / weights.sum()) for i, w in zip(kept, weights, strict=True) if w > 0}

    @staticmethod
    def _combine(z: Floats, rows: Floats) -> tuple[float, Floats]:
        """Cosine distance of z (words,) to its best combination of rows (pLLMs, words), and the weights (pLLMs,)."""
        weights, _ = nnls(rows.T, z)
        return float(distances(z, (weights @ rows)[None], "cosine")[0]), weights
