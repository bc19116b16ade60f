"""States: mean hidden states of strings, after some of an LLM's layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from devices import Cost, Device, Llm, where
from devices.basics import Floats, Numbers
from sim.ledger import prices
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.llm.infer import states
from sim.serving.desk import PROMPT_TOKENS, Desk
from sim.serving.requests.base import Asked, Handler, Tokens
from sim.serving.requests.reading import dealt, expected
from strategies.base import States


class StatesHandler(Handler[States]):
    """One pass over every string, through some of the layers.

    Counts `sequences`, their `tokens`, and `deep_tokens`: tokens times the share of the layers that they went through.
    An LLM is billed as one that has no more layers; the weights of its output head, which nobody needs, still count as
    loaded. Who asks at several depths is billed at their mean, by tokens.
    """

    request = States

    def answer(self, desk: Desk, asked: Sequence[Asked[States]]) -> Sequence[npt.NDArray[np.float32]]:
        replies: list[npt.NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(asked)
        alike: dict[tuple[str, float], list[int]] = {}
        for i, one in enumerate(asked):
            alike.setdefault((one.request.llm, one.request.depth), []).append(i)
        for (which, depth), places in sorted(alike.items()):
            lm, counts = desk.llm(which), [len(asked[i].request.strings) for i in places]
            strings = [string for i in places for string in asked[i].request.strings]
            layers = asked[places[0]].request.layers(lm.config.num_hidden_layers)
            hidden, lengths = states(lm, strings, layers, PROMPT_TOKENS)
            read = iter(lengths)
            for i, count, mine in zip(places, counts, dealt(hidden, counts), strict=True):
                replies[i], tokens = mine, sum(islice(read, count))
                asked[i].account.work.add(
                    self.kind, which, requests=1, sequences=count, tokens=tokens, deep_tokens=tokens * depth
                )
        return replies

    def expect(self, request: States, terms: Terms, tokens: Tokens) -> Mapping[str, Figures]:
        plain = expected(request.strings, tokens)
        return {request.llm: Figures(plain, deep_tokens=plain.count("tokens") * request.depth)}

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        whole, layers = terms.llms[llm], _layers(terms.llms[llm], n)
        found: Cost | None = None
        for some in np.unique(layers):
            cut = replace(terms, llms={**terms.llms, llm: replace(whole, layers=int(some))})
            for cost in prices.reading(cut, device, llm, n, head=False):
                found = cost if found is None else where(layers == some, cost, found)
        return [] if found is None else [found]

    def flops(self, terms: Terms, name: str, llm: Llm, n: Figures) -> list[Numbers]:
        layers = _layers(llm, n)
        found: Numbers = np.float64(0.0)
        for some in np.unique(layers):
            cut = sum(prices.reading_flops(name, replace(llm, layers=int(some)), n, head=False), np.float64(0.0))
            found = np.where(layers == some, cut, found)
        return [found]


def _layers(llm: Llm, n: Figures) -> Floats:
    """How many layers of the LLM were gone through, on average over the tokens, rounded up."""
    share = n.count("deep_tokens") / np.maximum(n.count("tokens"), 1)
    return np.maximum(1, np.ceil(share * llm.layers - 1e-6))
