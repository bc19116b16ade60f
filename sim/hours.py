"""Hours until a user's phone is done: busy seconds are only worked off while the phone is available."""

from __future__ import annotations

from functools import lru_cache

from devices import Availability, draw_availability, read_trace
from sim.config import ALWAYS, DAILY, Config
from sim.errors import UserError
from sim.streams import stream


class Hours:
    """`population.availability` at work.

    Raises: UserError for a trace file that cannot be read.
    """

    def __init__(self, config: Config) -> None:
        self.seed, self.kind = config.seed, config.population.availability
        self.trace = None if self.kind in (ALWAYS, DAILY) else _trace(self.kind)

    def until_done(self, user_id: int, busy_s: float) -> float:
        """Hours from the pLLM's release, at a random time of the user's days, to the end of the work.

        NaN where `busy_s` is, infinite on a phone that is never available.
        """
        if self.kind == ALWAYS:
            return busy_s / 3600
        rng = stream(self.seed, user_id, "availability")
        windows = draw_availability(1, rng) if self.trace is None else self.trace.sample(1, rng)
        released_h = rng.uniform(0, windows.period_s[0] / 3600)
        return float(windows.hours_until_done(busy_s, released_h)[0])


@lru_cache(maxsize=2)
def _trace(file: str) -> Availability:
    try:
        return read_trace(file)
    except OSError as error:
        reason = f"{file!r} is neither '{ALWAYS}' nor '{DAILY}', nor a trace file: {error.strerror or error}"
        raise UserError(f"population.availability: {reason}.") from None
    except ValueError as error:
        raise UserError(f"population.availability: {' '.join(str(error).split())}.") from None
