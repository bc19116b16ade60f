"""How a phone gets its start: one small file a strategy, all through the interface in `base`."""

from strategies.base import (
    Choice,
    Cloud,
    Download,
    Embed,
    Evaluate,
    Generate,
    NextWords,
    Offer,
    Phone,
    Request,
    Start,
    Strategy,
    Text,
    Train,
    Trained,
    lowest,
)

__all__ = [
    "Choice",
    "Cloud",
    "Download",
    "Embed",
    "Evaluate",
    "Generate",
    "NextWords",
    "Offer",
    "Phone",
    "Request",
    "Start",
    "Strategy",
    "Text",
    "Train",
    "Trained",
    "lowest",
]
