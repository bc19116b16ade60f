"""Hours until a user's phone is done: busy seconds are only worked off while the phone is available."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from devices import Availability, Trace, draw_availability, read_trace
from devices.basics import Floats
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

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was put right in reading the trace file, and what should be known of it."""
        return self.trace.remarks if self.trace else ()

    def until_done(self, user_ids: Sequence[int], busy_s: Floats) -> Floats:
        """Hours from the pLLM's release, at a random time of each user's days, to the end of the work, both (users,).

        NaN where `busy_s` is, infinite on a phone that is never available.
        """
        if self.kind == ALWAYS:
            return busy_s / 3600
        windows, released_h = self._drawn(user_ids)
        return windows.hours_until_done(busy_s, released_h)

    def windows(self, user_id: int) -> tuple[tuple[float, float], ...]:
        """When a user's phone may work, as (from, to) in hours from the release of the pLLM; empty: always.

        As far ahead as the availability is known, after which it repeats; a phone that is never available has one
        window without length.
        """
        if self.kind == ALWAYS:
            return ()
        windows, released_h = self._drawn([user_id])
        period, released = windows.period_s[0] / 3600, released_h[0]
        edges = [(start / 3600, end / 3600) for start, end in zip(windows.starts[0], windows.ends[0], strict=True)]
        shifts = [k * period - released for k in (-1, 0, 1)]
        ahead = [(max(start + shift, 0.0), min(end + shift, period)) for shift in shifts for start, end in edges]
        return tuple(sorted((start, end) for start, end in ahead if end > start)) or ((0.0, 0.0),)

    def _drawn(self, user_ids: Sequence[int]) -> tuple[Availability, Floats]:
        """The users' windows, and when in their period the pLLM is released, in hours (users,)."""
        rng, count = Streams(self.seed, user_ids, "availability"), len(user_ids)
        windows = draw_availability(count, rng) if self.trace is None else self.trace.sample(count, rng)
        return windows, rng.random(count) * (windows.period_s / 3600)


@lru_cache(maxsize=2)
def _trace(file: str) -> Trace:
    try:
        return read_trace(file)
    except OSError as error:
        reason = f"{file!r} is neither '{ALWAYS}' nor '{DAILY}', nor a trace file: {error.strerror or error}"
        raise UserError(f"population.availability: {reason}.") from None
    except ValueError as error:
        raise UserError(f"population.availability: {' '.join(str(error).split())}.") from None
