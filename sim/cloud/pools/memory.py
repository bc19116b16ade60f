"""What the cloud was answered before: asked again, it knows, and nothing is computed or booked a second time.

So an offer about a new version of a pool is an update, whatever strategy makes it: it asks as if the pool were new, and
what it costs is what it had not asked about the version before. A request that names pLLMs is the same where these
have the same content still.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import cast

import numpy as np

from sim.cloud.view import Answered
from sim.common.cache import digest
from sim.common.disk import write_whole
from sim.common.plain import as_plain
from sim.serving.requests import handler_of
from strategies.base import Request

PLAIN, ARRAYS = "replies.json", "replies.npz"


@dataclass
class Memory:
    """Replies to one strategy's requests, by a hash of what was asked; those of several folders, one after another.

    `last` names the folder whose replies came in last, and so all that is known.
    """

    known: dict[str, object] = field(default_factory=dict)
    last: str = ""

    def take(self, folder: Path) -> None:
        """Take in the replies that were new when a folder was made (`Recall.save`)."""
        self.known |= json.loads((folder / PLAIN).read_text(encoding="utf-8"))
        with np.load(folder / ARRAYS) as arrays:
            self.known |= {key: np.asarray(arrays[key]) for key in arrays.files}
        self.last = folder.name


class Recall:
    """Answers requests from memory, or else by whoever computes; and has what was new.

    Args:
        content: what an adapter is, by its name: a hash.
    """

    def __init__(
        self, memory: Memory, answered: Callable[[Request[object]], Answered], content: Callable[[str], str]
    ) -> None:
        self._memory, self._answered, self._content = memory, answered, content
        self._new: dict[str, object] = {}

    def __call__(self, request: Request[object]) -> Answered:
        if not is_dataclass(request):
            return self._answered(request)
        names = {name: self._content(name) for name in handler_of(request).pllms(request)}
        asked = {"kind": type(request).__qualname__, "request": as_plain(asdict(request), "request"), "pllms": names}
        key = digest(asked)
        for found in (self._memory.known, self._new):
            if key in found:
                return _copy(found[key]), None
        reply, error = self._answered(request)
        if error is None:
            self._new[key] = _copy(reply)
        return reply, error

    def published(self, pllm: str, publish: Callable[[], Mapping[str, object]]) -> Mapping[str, object]:
        """What the owner of a pLLM published, who does it once."""
        key = digest({"published": self._content(pllm)})
        known = {**self._memory.known, **self._new}
        if key not in known:
            said = publish()
            self._new |= {key: list(said), **{f"{key}.{name}": _copy(value) for name, value in said.items()}}
            return said
        return {name: _copy(known[f"{key}.{name}"]) for name in cast(Sequence[str], known[key])}

    def save(self, into: Path) -> None:
        """Write what was new into a folder."""
        arrays = {key: reply for key, reply in self._new.items() if isinstance(reply, np.ndarray)}
        np.savez(into / ARRAYS, **arrays)  # type: ignore[arg-type]
        plain = {key: as_plain(reply, "reply") for key, reply in self._new.items() if key not in arrays}
        write_whole(into / PLAIN, json.dumps(plain) + "\n")


def _copy(reply: object) -> object:
    """A reply that nobody else has: strategies may write into theirs."""
    return reply.copy() if isinstance(reply, np.ndarray | list) else reply
