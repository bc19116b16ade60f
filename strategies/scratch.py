"""scratch: the reference that everything is measured against."""

from strategies.base import Cloud, Offer, Phone, Start, Strategy


class Scratch(Strategy):
    """Fine-tune a fresh adapter on the base LLM. The phone downloads nothing and computes nothing before."""

    contributes = False

    def offer(self, cloud: Cloud) -> Offer:
        return Offer()

    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start()
