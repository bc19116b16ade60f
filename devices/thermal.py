"""Throttling: full speed until a knee, then an exponential decay to a floor that the phone can hold.

speed(t) = 1 for t <= knee, then floor + (1 - floor) exp(-(t - knee) / decay). Constants and sources are under
`thermal` in constants.toml. Every phase starts on a cold phone.
"""

from __future__ import annotations

import numpy as np

from devices.basics import Flags, Floats, Numbers, floats
from devices.constants import Constants


def cpu_floor(power_w: Numbers, flagship: Flags, constants: Constants) -> Floats:
    """The share of its first speed that a phone holds on the CPU at this power; mid and entry hardly fall."""
    light = constants["thermal.floor_light"]
    floors = [light, *(constants[f"thermal.floor_{w}w"] for w in (4, 6, 8))]
    return np.where(flagship, np.interp(power_w, [2.5, 4.0, 6.0, 8.0], floors), light)


def throttled(cold_s: Numbers, floor: Numbers, constants: Constants) -> Floats:
    """Seconds on the throttling phone for work that takes `cold_s` seconds at full speed.

    Inverts cold(t) = integral of speed by Newton's method from the right: cold is concave and rising, so a
    few steps give full precision.
    """
    knee, decay = constants["thermal.knee_s"], constants["thermal.decay_s"]
    cold_s, floor = floats(cold_s), floats(floor)
    over = np.maximum(cold_s - knee, 0.0)
    t = over  # cold work takes at least its own time, so the root lies to the right of this
    for _ in range(8):
        gone = np.exp(-t / decay)
        done = floor * t + (1 - floor) * decay * (1 - gone)
        t = np.maximum(t + (over - done) / (floor + (1 - floor) * gone), over)
    return np.asarray(np.minimum(cold_s, knee) + t)
