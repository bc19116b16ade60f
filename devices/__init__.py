"""Phones, networks and LLM shapes, and what an LLM's work costs on a phone in seconds, joules and bytes.

A library of its own: it imports nothing of the simulator and needs only numpy, pandas and, to draw,
matplotlib.

>>> from devices import Device, llm
>>> phone = Device.of("OnePlus 12R", ram_gb=16)
>>> cost = phone.train(llm("llama-3.2-1b"), steps=1000, tokens_per_step=98)
>>> print(f"{cost.seconds / 60:.0f} min, {cost.joules / 1000:.1f} kJ")
115 min, 18.9 kJ
"""

from devices.adapters import Adapter, Ia3, Lora
from devices.architecture import Llm, llm, llm_names
from devices.availability import Availability, draw_availability
from devices.basics import UnknownName
from devices.constants import Constant, Constants, calibrated, stated
from devices.cost import Cost, total, where
from devices.device import Device
from devices.networks import Network, draw_networks
from devices.phones import Phone, find_phone, phones, read_phones
from devices.populations import draw_phones, market_weights
from devices.rates import BACKENDS
from devices.traces import Trace, read_trace

__all__ = [
    "BACKENDS",
    "Adapter",
    "Availability",
    "Constant",
    "Constants",
    "Cost",
    "Device",
    "Ia3",
    "Llm",
    "Lora",
    "Network",
    "Phone",
    "Trace",
    "UnknownName",
    "calibrated",
    "draw_availability",
    "draw_networks",
    "draw_phones",
    "find_phone",
    "llm",
    "llm_names",
    "market_weights",
    "phones",
    "read_phones",
    "read_trace",
    "stated",
    "total",
    "where",
]
