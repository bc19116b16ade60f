"""random: any pLLM will do, if the pool itself and not the choice is what helps."""

from strategies.base import Offer, Phone, Start, Strategy


class Random(Strategy):
    """Start from a pLLM drawn uniformly from the pool. The phone downloads that one and computes nothing before."""

    def choose(self, phone: Phone, offer: Offer) -> Start:
        if not offer.pllms:
            return Start()
        pick = int(phone.rng("random").integers(len(offer.pllms)))
        return Start({offer.pllms[pick]: 1.0})
