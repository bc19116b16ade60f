"""What kinds of work cost a phone, and how many FLOPs they are on any LLM.

A request's handler (`sim.serving.requests`) says which of these its work consists of.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from devices import Adapter, Cost, Device, Llm, flops
from devices.basics import Numbers
from sim.ledger.terms import Terms
from sim.ledger.work import Figures

SUMMARIZER = "summarizer"


class Priced(Protocol):
    """How work of one kind of request is priced."""

    @property
    def phase(self) -> str:
        """The part of the bill that it belongs to: the columns PHASE_s, PHASE_j and PHASE_flops of users.csv."""
        ...

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        """What the work costs phones, for the deployed LLM of that name; phase after phase, each on a cold phone."""
        ...

    def flops(self, terms: Terms, name: str, llm: Llm, n: Figures) -> list[Numbers]:
        """FLOPs of the work on an LLM, phase after phase, tokens as measured.

        Args:
            name: what the LLM is used as.
        """
        ...


def evaluating(terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
    """The loss on texts: the output head runs on every token."""
    if not np.any(n.count("sequences")):
        return []
    tokens = terms.tokens(n.count("tokens"))
    context = tokens / n.count("sequences")
    return [device.evaluate(terms.llms[llm], tokens, context=context, precision=terms.billing.precision)]


def evaluating_flops(llm: Llm, n: Figures) -> list[Numbers]:
    """FLOPs of the loss on texts."""
    if not np.any(n.count("sequences")):
        return []
    tokens = n.count("tokens")
    return [flops.forward(llm, tokens, tokens / n.count("sequences"), n.count("logits"))]


def reading(terms: Terms, device: Device, llm: str, n: Figures, precision: str = "", head: bool = True) -> list[Cost]:
    """A pass over prompts (`tokens`, `fixed`, `sequences`), then answers written after them (`written` tokens).

    The output head runs once a prompt, unless no `head` is wanted; on a summarizer not at all: what is wanted of it is
    its hidden state.

    Args:
        precision: of the weights; "": that of the bill.
    """
    count, shape, precision = n.count("sequences"), terms.llms[llm], precision or terms.billing.precision
    if not np.any(count):
        return []
    tokens = terms.tokens(n.count("tokens"), n.count("fixed"))
    logits = None if head and llm != SUMMARIZER else 0
    costs = [device.prefill(shape, tokens, context=tokens / count, logits=logits, precision=precision)]
    if np.any(n.count("written")):
        at_once = np.minimum(terms.billing.answers_at_once, count)
        written = terms.tokens(n.count("written"))
        context = tokens / count
        costs.append(device.decode(shape, written, context=context, precision=precision, answers=count, batch=at_once))
    return costs


def reading_flops(name: str, llm: Llm, n: Figures, head: bool = True) -> list[Numbers]:
    """FLOPs of a pass over prompts and of the answers after them."""
    count = n.count("sequences")
    if not np.any(count):
        return []
    context, logits = n.count("tokens") / count, count if head and name != SUMMARIZER else 0
    return [flops.forward(llm, n.count("tokens"), context, logits), flops.forward(llm, n.count("written"), context)]


def training(
    terms: Terms, device: Device, steps: Numbers, step_tokens: Numbers, adapter: Adapter | None = None
) -> Cost:
    """Billed steps of fine-tuning the deployed base LLM."""
    return device.train(
        terms.llms["base"],
        steps,
        step_tokens,
        adapter=adapter or terms.adapter,
        precision=terms.billing.precision,
        checkpointing="auto",
        runtime=terms.billing.runtime,
    )


def training_flops(terms: Terms, llm: Llm, steps: Numbers, tokens: Numbers, adapter: Adapter | None = None) -> Numbers:
    """FLOPs of steps that took so many tokens together, in sequences of a text."""
    per_step = tokens / np.maximum(steps, 1)
    return steps * (adapter or terms.adapter).step_flops(llm, per_step, per_step / terms.batch)
