"""Embed: hidden states where replies would begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.llm.infer import embed
from sim.serving.desk import PROMPT_TOKENS, Desk
from sim.serving.requests.base import Asked, Tokens
from sim.serving.requests.reading import ReadingHandler, dealt, expected, read
from strategies.base import Embed


class EmbedHandler(ReadingHandler[Embed]):
    """One pass over every prompt."""

    request = Embed

    def answer(self, desk: Desk, asked: Sequence[Asked[Embed]]) -> Sequence[npt.NDArray[np.float32]]:
        replies: list[npt.NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(asked)
        for which in sorted({one.request.llm for one in asked}):
            lm, places = desk.llm(which), [i for i, one in enumerate(asked) if one.request.llm == which]
            hidden = embed(lm, [p for i in places for p in asked[i].request.prompts], PROMPT_TOKENS)
            parts = dealt(hidden, [len(asked[i].request.prompts) for i in places])
            for i, mine in zip(places, parts, strict=True):
                replies[i] = mine
                asked[i].account.work.add(self.kind, which, requests=1, **read(lm, asked[i].request.prompts))
        return replies

    def expect(self, request: Embed, terms: Terms, tokens: Tokens) -> Mapping[str, Figures]:
        return {request.llm: expected(request.prompts, tokens)}
