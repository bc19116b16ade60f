"""xpert_early: XPerT that stops reading when the answer is certain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strategies.base import Asking, Text
from strategies.xpert import Basis, Floats, Xpert


class XpertEarly(Xpert):
    """As `xpert`, but the phone reads its texts a few at a time, only until one pLLM is clearly the nearest.

    Reading by the summarizer is almost all that selection costs the phone, and a few texts often settle it. Clearly
    means: the nearest one's lead over each other, text by text, is `certainty` standard errors above none. The idea is
    ours. The phone downloads what it does for `xpert`, and computes that for the texts that it reads.

    Args:
        step: texts read at a time.
        certainty: standard errors; `xpert` is the limit of a large one.
        settings: those of `xpert`. The metric is cosine.
    """

    not_in_offer = Xpert.not_in_offer | {"step", "certainty"}
    offers_as = Xpert

    def __init__(self, step: int = 4, certainty: float = 3.0, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        if step < 2 or certainty < 0 or self.metric != "cosine":
            raise ValueError(f"step = {step}, certainty = {certainty}, metric = {self.metric}: at least 2, 0, cosine")
        self.step, self.certainty = step, certainty

    def read(self, texts: Sequence[Text], basis: Basis, pool: Floats) -> Asking[Floats]:
        z = np.empty((0, len(basis.words)))
        for at in range(0, len(texts), self.step):
            z = np.vstack([z, (yield from super().read(texts[at : at + self.step], basis, pool))])
            if self._certain(z, pool):
                break
        return z

    def _certain(self, z: Floats, pool: Floats) -> bool:
        """Whether the nearest of pool (pLLMs, words) is certain from texts z (texts, words).

        By cosine the nearest has the largest projection of the mean text, so texts vote by their own projections.
        """
        if len(z) < 2:
            return False  # of one text it is not known how far texts differ
        units = pool / np.maximum(np.linalg.norm(pool, axis=1, keepdims=True), 1e-12)
        along = z @ units.T.astype(np.float64)
        best = int(np.argmax(along.mean(axis=0)))
        lead = along[:, [best]] - np.delete(along, best, axis=1)
        error = lead.std(axis=0, ddof=1) / np.sqrt(len(lead))
        return bool(np.all(lead.mean(axis=0) > self.certainty * error))
