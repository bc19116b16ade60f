"""Encode: sentence embeddings by the encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from devices import Cost, Device, Llm
from devices.basics import Numbers
from sim.ledger import prices
from sim.ledger.terms import ENCODER, Terms
from sim.ledger.work import Figures
from sim.serving.desk import Desk
from sim.serving.requests.base import Asked, Handler, Tokens
from sim.serving.requests.reading import dealt, expected
from strategies.base import Encode

PRECISION = "fp16"
"""Of the encoder's weights on a phone, as they are downloaded: `billing.precision` is that of LLMs."""


class EncodeHandler(Handler[Encode]):
    """One pass over every string. Counts `sequences` and their `tokens`."""

    request = Encode

    def answer(self, desk: Desk, asked: Sequence[Asked[Encode]]) -> Sequence[npt.NDArray[np.float32]]:
        encoder = desk.encoder
        vectors = encoder.encode([string for one in asked for string in one.request.strings])
        for one in asked:
            strings = one.request.strings
            tokens = sum(encoder.tokens(strings))
            one.account.work.add(self.kind, "encoder", requests=1, sequences=len(strings), tokens=tokens)
        return dealt(vectors, [len(one.request.strings) for one in asked])

    def files(self, request: Encode) -> Mapping[str, float]:
        return {ENCODER.name: ENCODER.weight_bytes(PRECISION)}

    def expect(self, request: Encode, terms: Terms, tokens: Tokens) -> Mapping[str, Figures]:
        return {"encoder": expected(request.strings, tokens)}

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        return prices.reading(terms, device, llm, n, PRECISION)

    def flops(self, terms: Terms, name: str, llm: Llm, n: Figures) -> list[Numbers]:
        return prices.reading_flops(name, llm, n)
