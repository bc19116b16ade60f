"""fallback: another strategy's start, unless starting from scratch looks better."""

from collections.abc import Generator, Sequence
from dataclasses import replace

from strategies.base import (
    Choice,
    Choosing,
    Cloud,
    Contributions,
    Evaluate,
    Members,
    Offer,
    Phone,
    Policy,
    Start,
    Strategy,
)


class Fallback(Strategy):
    """Choose as another strategy does, but start from scratch where the base LLM alone fits the user's texts better.

    The phone reads a few of its own texts with the start that was chosen and as many with the base LLM. Where the
    start's loss is higher it abstains: what was downloaded and computed is billed all the same, `chosen` is empty, and
    the scores stay those of the other strategy. The rest is as that strategy says, whose offer it shares.

    Args:
        strategy: the other one, whose settings are those under its own name.
        texts: own texts that the phone reads at most; 0: all.
    """

    wraps = ("strategy",)

    def __init__(self, strategy: Strategy, texts: int = 8) -> None:
        if texts < 0:
            raise ValueError(f"texts = {texts}: 0 (all) or more is expected")
        self.strategy, self.texts = strategy, texts
        self.reads_truth, self.trains = strategy.reads_truth, strategy.trains
        self.contributes = strategy.contributes

    @property
    def offering(self) -> Strategy:
        return self.strategy.offering

    def offer(self, cloud: Cloud) -> Offer:
        return self.strategy.offer(cloud)

    def receive(self, cloud: Cloud, given: Contributions, policies: Sequence[Policy]) -> Members:
        return self.strategy.receive(cloud, given, policies)

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        chosen = self.strategy.choose(phone, offer)
        if isinstance(chosen, Generator):
            chosen = yield from chosen
        choice = Choice(chosen) if isinstance(chosen, Start) else chosen
        if choice.start.weights:
            texts = phone.texts[: self.texts or None]
            with_start = yield Evaluate(choice.start, texts)
            alone = yield Evaluate(Start(), texts)
            if not with_start <= alone:  # also where it is no number, as of a pLLM that diverged
                return replace(choice, start=Start())
        return choice
