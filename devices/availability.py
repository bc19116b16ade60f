"""When a phone may work: idle, on the charger and on Wi-Fi. Turns busy seconds into hours until done.

The daily model is stated in constants.toml (one window a night, some nights none): an assumption. A trace
of real phones can replace it (`devices.traces`). Work that a window cuts off goes on in the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.basics import Floats, Numbers
from devices.constants import Constants, stated

DAY_S = 86_400.0


@dataclass(frozen=True)
class Availability:
    """When `n` phones may work: windows from `starts` to `ends` (n, k), seconds from midnight of day 0, in order.

    Phones with fewer windows have empty ones (start = end) at the end. Everything repeats after `period_s`
    (n,).
    """

    starts: Floats
    ends: Floats
    period_s: Floats

    def __len__(self) -> int:
        return len(self.period_s)

    def hours_until_done(self, busy_s: Numbers, released_h: Numbers = 12.0) -> Floats:
        """Hours from release to the end of `busy_s` seconds of work, done only inside the windows.

        `released_h` is the time of release, in hours from midnight of day 0. Shapes broadcast to (n,). 0
        where there is no work, inf for phones that are never available, NaN where `busy_s` is NaN (refused
        work).
        """
        busy = np.broadcast_to(np.asarray(busy_s, dtype=np.float64), len(self))
        first = self.starts[:, 0]  # cycles are counted from the first window, so that none is cut in two
        released = (np.asarray(released_h, dtype=np.float64) * 3600 - first) % self.period_s + first
        lengths = self.ends - self.starts
        upto = np.cumsum(lengths, axis=1)
        cycle = upto[:, -1]
        never = cycle <= 0
        before = np.clip(released[:, None] - self.starts, 0, lengths).sum(axis=1)
        target = before + np.where(np.isnan(busy), 0, busy)  # available seconds since the start of the cycle
        cycles = np.maximum(np.ceil(target / np.where(never, 1, cycle)) - 1, 0)
        rest = target - cycles * cycle
        window = np.argmax(upto >= rest[:, None] - 1e-9, axis=1)
        row = np.arange(len(self))
        end = cycles * self.period_s + self.ends[row, window] - (upto[row, window] - rest)
        hours = np.where(busy > 0, (end - released) / 3600, 0.0)
        return np.where(np.isnan(busy), np.nan, np.where(never & (busy > 0), np.inf, hours))

    def sample(self, n: int, rng: np.random.Generator) -> Availability:
        """`n` phones drawn from these with replacement."""
        chosen = rng.integers(len(self), size=n)
        return Availability(self.starts[chosen], self.ends[chosen], self.period_s[chosen])


def draw_availability(
    n: int, rng: np.random.Generator, days: int = 14, constants: Constants | None = None
) -> Availability:
    """The daily model for `n` phones: each its own usual hour and length, some nights without a window.

    `days` nights are drawn, then they repeat. A phone without a single good night gets its first one.
    """
    c = constants or stated()
    start = c["availability.start_h"] + c["availability.start_sd_h"] * rng.standard_normal(n)
    hours = np.clip(c["availability.hours"] + c["availability.hours_sd"] * rng.standard_normal(n), 0.5, 12.0)
    good = rng.random((n, days)) < c["availability.nights"]
    good[~good.any(axis=1), 0] = True
    starts = np.asarray((start[:, None] + 24.0 * np.arange(days)) * 3600, dtype=np.float64)
    ends = starts + good * hours[:, None] * 3600
    period = np.full(n, days * DAY_S)
    return Availability(starts, ends, period)
