"""Download: a pLLM, and whatever else a phone gets from the cloud before it chooses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devices import Cost, Device
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.serving.desk import Desk
from sim.serving.requests.base import Asked, Handler
from strategies.base import Download


class DownloadHandler(Handler[Download]):
    """Counts `pllms` and `bytes`, the offer's: all that a phone downloads is one transfer.

    Nothing of its own is to be expected: the pLLM that it needs is priced as any that is not on the phone.
    """

    request = Download
    phase = "download"

    def answer(self, desk: Desk, asked: Sequence[Asked[Download]]) -> Sequence[None]:
        for one in asked:
            desk.named(one.request.pllm)  # raises where there is no such pLLM
            one.account.work.add(self.kind, requests=1)
        return [None] * len(asked)

    def pllms(self, request: Download) -> Iterable[str]:
        return [request.pllm]

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        return [device.download(n.count("pllms") * terms.pllm_bytes + n.count("bytes"))]
