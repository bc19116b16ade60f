"""What requests share that read prompts: how a pass over them is counted and priced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from devices import Cost, Device, Llm
from devices.basics import Numbers
from sim.ledger import prices
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.llm.model import LanguageModel
from sim.serving.desk import PROMPT_TOKENS
from sim.serving.requests.base import Handler, R, Tokens


class ReadingHandler(Handler[R]):
    """Counts `sequences`, their `tokens`, and the `fixed` ones among them: those of an instruction in every prompt.

    A kind that also counts `written` tokens is billed for writing them.
    """

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        return prices.reading(terms, device, llm, n)

    def flops(self, terms: Terms, name: str, llm: Llm, n: Figures) -> list[Numbers]:
        return prices.reading_flops(name, llm, n)


def read(lm: LanguageModel, prompts: Sequence[str], again: Sequence[int] = ()) -> dict[str, int]:
    """What a pass over every prompt counts, and those passes that read one again: `again` are the tokens of each."""
    encoded = lm.encode_prompts(prompts, PROMPT_TOKENS)
    passes = len(prompts) + len(again)
    return {
        "sequences": passes,
        "tokens": sum(map(len, encoded)) + sum(again),
        "fixed": shared_tokens(encoded) // max(len(prompts), 1) * passes,
    }


def dealt(rows: npt.NDArray[np.float32], counts: Sequence[int]) -> list[npt.NDArray[np.float32]]:
    """The rows of each request, `counts` of them, as copies: views would lead to what other users wrote."""
    return [part.copy() for part in np.split(rows, np.cumsum(counts)[:-1])]


def expected(prompts: Sequence[str], tokens: Tokens) -> Figures:
    """What a pass over every prompt is expected to count."""
    return Figures(sequences=len(prompts), tokens=sum(map(tokens, prompts)))


def shared_tokens(prompts: Sequence[npt.NDArray[np.int32]]) -> int:
    """Tokens that all prompts of a request have in common at both ends, over all prompts: the instruction in them."""
    if len(prompts) < 2:
        return 0
    shortest = min(map(len, prompts))
    before = _alike(np.stack([p[:shortest] for p in prompts]))
    after = _alike(np.stack([p[::-1][:shortest] for p in prompts]))
    return len(prompts) * min(before + after, shortest)


def _alike(rows: npt.NDArray[np.int32]) -> int:
    """Leading columns in which all rows agree."""
    return int(np.logical_and.accumulate((rows == rows[0]).all(axis=0)).sum())
