"""What docs/real_text.md says that needs no run: settings, the list of adjectives, and an exact interval."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from devices.architecture import llm
from sim.analysis.bootstrap import Sample, share_intervals
from strategies.xpert.adjectives import ADJECTIVES
from strategies.xpert.cards import XpertCards


def said() -> Iterator[str]:
    right = np.repeat([1.0, 0.0], [15, 5])[:, None]
    found = share_intervals(right, Sample.alone(20))
    yield f"an exact 95 % interval of 15 of 20 is {100 * found.low[0]:.0f} to {100 * found.high[0]:.0f} %"
    cards, layers = XpertCards(), llm("smollm2-135m").layers
    yield f"`shrink = 0.1` instead of {cards.shrink:g} helps"
    yield f"in {cards.width} directions"
    yield f"The default, a quarter of them ({round(cards.depth * layers)} of {layers}), stays"
    yield f"reads a list of {len(ADJECTIVES)} adjectives"
