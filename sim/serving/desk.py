"""The desk at which requests are answered: LLMs, a pool, and what belongs to the askers of one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from sim.experiment.sections import Privacy, Training
from sim.llm.encoder import SentenceEncoder
from sim.llm.lanes import Lanes
from sim.llm.model import Encoded, LanguageModel
from sim.llm.training.finetune import plan_of
from sim.llm.training.progress import Plan
from sim.pool.pool import Pool
from sim.serving.resident import Resident
from strategies.base import Start, Text

PROMPT_TOKENS = 512
"""Longest prompt of an inference request; longer ones lose their beginning."""


class Desk:
    """What handlers work with, for the phones of one batch or for one offer of the cloud; dropped afterwards.

    Args:
        own: adapters by name that are not the pool's: those of an offer, and those that phones train.
    """

    def __init__(self, resident: Resident, pool: Pool, own: Mapping[str, Tensor] | None = None) -> None:
        self._resident, self.pool = resident, pool
        self.own: dict[str, Tensor] = dict(own or {})
        self._encoded: dict[Text, Encoded] = {}

    @property
    def lm(self) -> LanguageModel:
        """The base LLM."""
        return self._resident.lm

    @property
    def lanes(self) -> Lanes:
        """The base LLM's adapted layers."""
        return self._resident.lanes

    @property
    def training(self) -> Training:
        return self._resident.config.training

    @property
    def privacy(self) -> Privacy:
        return self._resident.config.privacy

    @property
    def width(self) -> int:
        """Lanes in one batch."""
        return self._resident.config.engine.lanes

    @property
    def plan(self) -> Plan:
        """How users fine-tune."""
        return plan_of(self.training, self.width)

    def llm(self, which: str) -> LanguageModel:
        """The base LLM or the summarizer."""
        return self.lm if which == "base" else self._resident.summarizer

    @property
    def encoder(self) -> SentenceEncoder:
        return self._resident.encoder

    def encode(self, texts: Sequence[Text]) -> list[Encoded]:
        """Tokenise texts, each once."""
        new = [t for t in dict.fromkeys(texts) if t not in self._encoded]
        self._encoded.update(zip(new, self.lm.encode(new, self.training.max_tokens), strict=True))
        return [self._encoded[t] for t in texts]

    def knows(self, name: str) -> bool:
        """Whether there is an adapter of that name."""
        return name in self.own or name in self.pool.cards

    def named(self, name: str) -> Tensor:
        """The flat adapter (size,) of that name. Raises UserError where there is none."""
        return self.own[name] if name in self.own else self.pool.adapter(name, self.lanes.layout)

    def _place(self, name: str) -> tuple[str, str]:
        """Where an adapter comes in a sum: by what its style is, whatever it is called."""
        card = self.pool.cards.get(name)
        return (self._resident.corpus.key(card.style) if card and card.style else name, name)

    def adapter(self, start: Start) -> Tensor:
        """The flat adapter of a start, merged where it has several; from scratch, one that changes nothing."""
        layout = self.lanes.layout
        if not start.weights:
            return layout.neutral()
        names = sorted(start.weights, key=self._place)  # a sum's last bits depend on it
        return layout.merge([self.named(name) for name in names], [start.weights[n] for n in names])
