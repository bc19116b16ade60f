"""Handlers by the requests that they are for. A module that brings a request of its own registers its handler here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from sim.serving.requests.base import AnyHandler
from sim.serving.requests.download import DownloadHandler, UploadHandler
from sim.serving.requests.embed import EmbedHandler
from sim.serving.requests.encode import EncodeHandler
from sim.serving.requests.evaluate import EvaluateHandler
from sim.serving.requests.generate import GenerateHandler
from sim.serving.requests.next_words import NextWordsHandler, OutputRowsHandler
from sim.serving.requests.states import StatesHandler
from sim.serving.requests.train import PrivatiseHandler, TrainHandler
from strategies.base import Request

H = TypeVar("H", bound=AnyHandler)
_HANDLERS: dict[str, AnyHandler] = {
    handler.kind: handler
    for handler in (
        DownloadHandler(),
        EvaluateHandler(),
        GenerateHandler(),
        EmbedHandler(),
        StatesHandler(),
        OutputRowsHandler(),
        NextWordsHandler(),
        TrainHandler(),
        EncodeHandler(),
        PrivatiseHandler(),
        UploadHandler(),
    )
}


def register(kind: type[H]) -> type[H]:
    """Make a handler known; a decorator for its class.

    Done when the module is imported, which every process does that names one of its strategies. Raises ValueError where
    requests of that name have another handler already: work is booked by that name.
    """
    handler = kind()
    there = _HANDLERS.get(handler.kind)
    if there is not None and (type(there).__module__, type(there).__qualname__) != (kind.__module__, kind.__qualname__):
        raise ValueError(f"requests called {handler.kind!r} are handled by {type(there).__qualname__} already")
    _HANDLERS[handler.kind] = handler
    return kind


def handlers() -> Mapping[str, AnyHandler]:
    """Every handler by the name of its requests, in the order in which they stand on a bill."""
    return MappingProxyType(_HANDLERS)


def handler_of(request: Request[object]) -> AnyHandler:
    """The handler of a request. Raises TypeError for what is no request."""
    handler = _HANDLERS.get(type(request).__name__)
    if handler is None or not isinstance(request, handler.request):
        raise TypeError(f"a strategy yielded {request!r}, which is no request")
    return handler
