"""oracle: the upper bound, which reads what no phone can know."""

from strategies.base import Offer, Phone, Start, Strategy


class Oracle(Strategy):
    """Start from the pLLM whose style is truly the user's. Its choice is free: the phone downloads that one pLLM."""

    reads_truth = True

    def choose(self, phone: Phone, offer: Offer) -> Start:
        nearest = list(phone.nearest)
        return Start({nearest[0]: 1.0}) if nearest else Start()
