"""average: all pLLMs at once, merged exactly."""

from strategies.base import Offer, Phone, Start, Strategy


class Average(Strategy):
    """Start from the exact mean of all pLLMs: theta_base + 1/N sum_i (theta_i - theta_base).

    The deltas are averaged, where `fedavg` averages A and B apart and so gets another LLM. A sum of N adapters has the
    rank of all together, and that is what the phone fine-tunes. It downloads every pLLM and computes nothing before.
    """

    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start(dict.fromkeys(offer.pllms, 1 / max(len(offer.pllms), 1)))
