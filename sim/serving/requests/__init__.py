"""Every kind of request that can be answered: one file each, and the registry that finds them."""

from sim.serving.requests.base import Asked, Handler
from sim.serving.requests.download import UPLOAD
from sim.serving.requests.registry import handler_of, handlers, register
from sim.serving.requests.train import PRIVATISE

__all__ = ["PRIVATISE", "UPLOAD", "Asked", "Handler", "handler_of", "handlers", "register"]
