"""What phone and cloud send each other: pLLMs and whatever else a phone gets, and the adapter that it gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devices import Cost, Device
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.serving.desk import Desk
from sim.serving.requests.base import Asked, Handler
from strategies.base import Download, Request


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


class Upload(Request[None]):
    """The adapter that fine-tuning made, given to the cloud. No strategy asks for it: `waves.contribute` decides."""


UPLOAD = Upload.__name__


class UploadHandler(Handler[Upload]):
    """Counts `pllms`: adapters that are given, in 16 bits as a pool has them."""

    request = Upload
    phase = "upload"

    def answer(self, desk: Desk, asked: Sequence[Asked[Upload]]) -> Sequence[None]:
        raise PermissionError("a phone uploads what fine-tuning made, when that is done, and not before")

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        return [device.upload(n.count("pllms") * float(terms.adapter.bytes(terms.llms["base"], "fp16")))]
