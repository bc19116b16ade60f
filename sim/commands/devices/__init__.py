"""`headstart devices`: the phones, what an LLM costs on them, and how far that can be believed."""

from sim.commands.devices import catalogue, costs, evidence
from sim.commands.devices.group import devices

__all__ = ["catalogue", "costs", "devices", "evidence"]
