"""Hours until a user's phone is done: busy seconds are only worked off while the phone is available."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from devices import Availability, draw_availability, read_trace
from sim.common.errors import UserError
from sim.common.streams import Streams
from sim.experiment.config import Config
from sim.experiment.sections import ALWAYS, DAILY


class Hours:
    """`population.availability` at work.

    Raises: UserError for a trace file that cannot be read.
    """

    def __init__(self, config: Config) -> None:
        self.seed, self.kind = config.seed, config.population.availability
        self.trace = None if self.kind in (ALWAYS, DAILY) else _trace(self.kind)

    def until_done(self, user_ids: Sequence[int], busy_s: np.ndarray) -> np.ndarray:
        """Hours from the pLLM's release, at a random time of each user's days, to the end of the work, both (users,).

        NaN where `busy_s` is, infinite on a phone that is never available.
        """
        if self.kind == ALWAYS:
            return busy_s / 3600
        rng = Streams(self.seed, user_ids, "availability")
        count = len(user_ids)
        windows = draw_availability(count, rng) if self.trace is None else self.trace.sample(count, rng)
        released_h = rng.random(count) * (windows.period_s / 3600)
        return windows.hours_until_done(busy_s, released_h)


@lru_cache(maxsize=2)
def _trace(file: str) -> Availability:
    try:
        return read_trace(file)
    except OSError as error:
        reason = f"{file!r} is neither '{ALWAYS}' nor '{DAILY}', nor a trace file: {error.strerror or error}"
        raise UserError(f"population.availability: {reason}.") from None
    except ValueError as error:
        raise UserError(f"population.availability: {' '.join(str(error).split())}.") from None
