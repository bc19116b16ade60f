"""NextWords: the words that replies would most probably begin with; OutputRows: words as the output layer has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.llm.infer import next_words, output_rows
from sim.serving.desk import PROMPT_TOKENS, Desk
from sim.serving.requests.base import Asked, Handler, Tokens
from sim.serving.requests.reading import ReadingHandler, expected, read
from strategies.base import NextWords, OutputRows


class NextWordsHandler(ReadingHandler[NextWords]):
    """One pass over every prompt, and one more for every token that completes a word."""

    request = NextWords

    def answer(self, desk: Desk, asked: Sequence[Asked[NextWords]]) -> Sequence[list[tuple[str, float]]]:
        replies = []
        for one in asked:
            r, lm = one.request, desk.llm(one.request.llm)
            words, again = next_words(lm, r.prompts, r.count, PROMPT_TOKENS)
            one.account.work.add(self.kind, r.llm, requests=1, **read(lm, r.prompts, again))
            replies.append(words)
        return replies

    def expect(self, request: NextWords, terms: Terms, tokens: Tokens) -> Mapping[str, Figures]:
        return {request.llm: expected(request.prompts, tokens)}


class OutputRowsHandler(Handler[OutputRows]):
    """A look-up, which is billed to nobody."""

    request = OutputRows

    def answer(self, desk: Desk, asked: Sequence[Asked[OutputRows]]) -> Sequence[npt.NDArray[np.float32]]:
        return [output_rows(desk.llm(r.llm), r.words, r.whole) for r in (one.request for one in asked)]
