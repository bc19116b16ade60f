"""Generate: answers to prompts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.llm.infer import generate
from sim.llm.model import LanguageModel
from sim.serving.desk import PROMPT_TOKENS, Desk
from sim.serving.requests.base import Asked, Tokens
from sim.serving.requests.reading import ReadingHandler, expected, shared_tokens
from strategies.base import Generate, Start


class GenerateHandler(ReadingHandler[Generate]):
    """Counts prompts read (`sequences`, `tokens`, `fixed` ones among them) and tokens `written`.

    A prompt that many phones ask of the same start is answered once, and billed to each.
    """

    request = Generate

    def answer(self, desk: Desk, asked: Sequence[Asked[Generate]]) -> Sequence[list[str]]:
        groups: dict[tuple[str, Start, int, float], list[int]] = defaultdict(list)
        for i, one in enumerate(asked):
            r = one.request
            groups[r.llm, r.start, r.max_new_tokens, r.temperature].append(i)
        replies: list[list[str]] = [[] for _ in asked]
        for (which, start, most, temperature), places in groups.items():
            lm = desk.llm(which)
            prompts = list(dict.fromkeys(p for i in places for p in asked[i].request.prompts))
            adapter = desk.adapter(start) if start.weights else None
            texts = generate(lm, prompts, most, desk.lanes, adapter, PROMPT_TOKENS, temperature)
            answer = dict(zip(prompts, texts, strict=True))
            encoded = dict(zip(prompts, lm.encode_prompts(prompts, PROMPT_TOKENS), strict=True))
            written = dict(zip(prompts, (min(most, n + 1) for n in _lengths(lm, texts)), strict=True))
            for i in places:
                mine = asked[i].request.prompts
                replies[i] = [answer[p] for p in mine]
                asked[i].account.work.add(
                    self.kind,
                    which,
                    requests=1,
                    sequences=len(mine),
                    tokens=sum(len(encoded[p]) for p in mine),
                    fixed=shared_tokens([encoded[p] for p in mine]),
                    written=sum(written[p] for p in mine),
                )
        return replies

    def pllms(self, request: Generate) -> Iterable[str]:
        return request.start.weights

    def expect(self, request: Generate, terms: Terms, tokens: Tokens) -> Mapping[str, Figures]:
        written = len(request.prompts) * request.max_new_tokens
        return {request.llm: Figures(expected(request.prompts, tokens), written=written)}


def _lengths(lm: LanguageModel, texts: Sequence[str]) -> list[int]:
    """Tokens of each text."""
    return [len(ids) for ids in lm.ids(texts)]
