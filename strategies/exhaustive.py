"""exhaustive: the expensive way to be right."""

from strategies.base import Choice, Choosing, Download, Evaluate, Offer, Phone, Start, Strategy, lowest


class Exhaustive(Strategy):
    """Evaluate every pLLM on the user's texts, start from the one with the lowest loss.

    Its cost grows with the pool: the first baseline of XPerT (Wang et al., MobiSys 2025). The phone downloads every
    pLLM and reads its texts once with each.

    Args:
        texts: own texts that the phone reads at most; 0: all.
    """

    def __init__(self, texts: int = 0) -> None:
        if texts < 0:
            raise ValueError(f"texts = {texts}: 0 (all) or more is expected")
        self.texts = texts

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        if not offer.pllms:
            return Start()
        texts, losses = phone.texts[: self.texts or None], []
        for pllm in offer.pllms:
            yield Download(pllm)
            losses.append((yield Evaluate(Start({pllm: 1.0}), texts)))
        best = offer.pllms[lowest(losses)]
        return Choice(Start({best: 1.0}), dict(zip(offer.pllms, losses, strict=True)))
