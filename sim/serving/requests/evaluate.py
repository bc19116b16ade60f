"""Evaluate: the mean loss of a start on texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from devices import Cost, Device, Llm
from devices.basics import Numbers
from sim.ledger import prices
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.llm.model import Encoded
from sim.llm.training.finetune import evaluate
from sim.serving.desk import Desk
from sim.serving.requests.base import Asked, Handler, Tokens
from strategies.base import Evaluate, Text


class EvaluateHandler(Handler[Evaluate]):
    """Counts `sequences`, their `tokens`, and the `logits` made: those of answers."""

    request = Evaluate

    def answer(self, desk: Desk, asked: Sequence[Asked[Evaluate]]) -> Sequence[float]:
        losses: list[float] = []
        for at in range(0, len(asked), desk.width):
            some = asked[at : at + desk.width]
            texts = [desk.encode(one.request.texts) for one in some]
            flat = desk.lanes.layout.stack([desk.adapter(one.request.start) for one in some]).to(desk.lm.device)
            losses += evaluate(desk.lm, desk.lanes, flat, texts).tolist()
            for one, encoded in zip(some, texts, strict=True):
                one.account.work.add(self.kind, "base", requests=1, **read(encoded))
        return losses

    def pllms(self, request: Evaluate) -> Iterable[str]:
        return request.start.weights

    def expect(self, request: Evaluate, terms: Terms, tokens: Tokens) -> Mapping[str, Figures]:
        return {"base": expected(request.texts, tokens)}

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        return prices.evaluating(terms, device, llm, n)

    def flops(self, terms: Terms, name: str, llm: Llm, n: Figures) -> list[Numbers]:
        return prices.evaluating_flops(llm, n)


def read(encoded: Sequence[Encoded]) -> dict[str, int]:
    """What one pass over texts counts."""
    logits = sum(e.answer_tokens for e in encoded)
    return {"sequences": len(encoded), "tokens": sum(map(len, encoded)), "logits": logits}


def expected(texts: Sequence[Text], tokens: Tokens) -> Figures:
    """What one pass over texts is expected to count."""
    logits = sum(tokens(t.answer) for t in texts)
    return Figures(sequences=len(texts), tokens=sum(tokens(t.prompt) for t in texts) + logits, logits=logits)
