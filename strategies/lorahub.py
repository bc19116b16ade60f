"""lorahub: mix several pLLMs by weights that no gradient is needed for."""

import numpy as np

from strategies.base import Choice, Choosing, Download, Evaluate, Offer, Phone, Start, Strategy

LARGEST = 1.5
"""Bound of a weight, as published."""


class Lorahub(Strategy):
    """Search weights over some pLLMs that give the lowest loss on a few own texts, start from that merge.

    After LoraHub (Huang et al., COLM 2024): random pLLMs, weights in [-1.5, 1.5], few-shot loss plus an L1 penalty,
    starting from none. A (1+1) evolution strategy stands in for its optimiser, and deltas are merged exactly, where
    LoraHub sums A and B apart. The phone downloads `pllms` pLLMs and reads `texts` texts `trials` times.

    Args:
        pllms: pLLMs that are mixed, drawn at random. texts: own texts that the phone reads; 0: all.
        trials: weights that are tried. l1: price of a unit of absolute weight, in nats.
    """

    def __init__(self, pllms: int = 8, texts: int = 8, trials: int = 40, l1: float = 0.05) -> None:
        for name, value, least in (("pllms", pllms, 1), ("texts", texts, 0), ("trials", trials, 1), ("l1", l1, 0)):
            if value < least:
                raise ValueError(f"{name} = {value}: {least} or more is expected")
        self.pllms, self.texts, self.trials, self.l1 = pllms, texts, trials, l1

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        if not offer.pllms:
            return Start()
        rng = phone.rng("lorahub")
        count = min(self.pllms, len(offer.pllms))
        names = [offer.pllms[i] for i in sorted(rng.choice(len(offer.pllms), count, replace=False))]
        for name in names:
            yield Download(name)
        best, lowest, spread = np.zeros(count), np.inf, 0.5
        for trial in range(self.trials):
            new = best + spread * rng.normal(size=count) if trial else best
            new = np.clip(new, -LARGEST, LARGEST)
            loss = yield Evaluate(_start(names, new), phone.texts[: self.texts or None])
            loss += self.l1 * float(np.abs(new).sum())
            if loss < lowest:
                best, lowest, spread = new, loss, spread * 1.5
            else:
                spread *= 1.5**-0.25  # one success in five keeps the spread
        return Choice(_start(names, best), dict(zip(names, (-best).tolist(), strict=True)))


def _start(names: list[str], weights: np.ndarray) -> Start:
    return Start({n: float(w) for n, w in zip(names, weights, strict=True) if w})
