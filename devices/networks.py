"""Networks: what a phone downloads and uploads at, drawn from published distributions.

Throughput is log-normal. The shape (median by generation, spread between the quartiles) is BTS-APP's, 10,000
tests in China in 2021, the widest open sample; a region rescales the medians. networks.csv has the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from devices.basics import Flags, Floats, UnknownName, Words, floats
from devices.phones import Phone, phones

ACCESS = ("wifi", "4g", "5g")
WIFI_SHARE = 0.685
"""Time on Wi-Fi (Opensignal, Netherlands 2017; networks.csv n031)."""
FIVE_G_SHARE = 0.18
"""5G among mobile connections (world 2023; networks.csv n032)."""

TESTS: dict[str, tuple[float, float]] = {
    # median Mbit/s and log-sd from the quartiles (networks.csv n001-n005)
    "wifi4": (43.0, 1.063), "wifi5": (178.2, 0.879), "wifi6": (333.0, 1.144),
    "4g": (26.1, 1.384), "5g": (312.8, 0.750),
}  # fmt: skip
WIFI_GENERATIONS = {"wifi4": 0.1729, "wifi5": 0.5135, "wifi6": 0.3137}
"""Share of Wi-Fi connections (Ookla, United Kingdom 2025; networks.csv n027-n030; 7 counted with 6)."""
REGIONS: dict[str, dict[str, float]] = {
    # median Mbit/s by access (networks.csv n018, n019, n021-n023); no figure for 4G in the world: China's
    "world": {"wifi": 83.95, "4g": 26.1, "5g": 203.0},
    "china": {"wifi": 178.2, "4g": 26.1, "5g": 312.8},
    "india": {"wifi": 51.2, "4g": 18.2, "5g": 201.9},
}
UPLOAD_SHARE = {"wifi": (0.57, 0.21), "4g": (0.17, 0.33), "5g": (0.17, 0.33)}
"""Upload over download, median and log-sd: 0.4-0.8 on Wi-Fi, 0.1-0.3 on cellular (devices.md 7)."""
LATENCY_MS = {"wifi": (10.0, 0.5), "4g": (28.0, 0.5), "5g": (28.0, 0.5)}
"""Median and log-sd (networks.csv n025, fixed and mobile; the spread is an assumption)."""
LIMITS_MBPS = (0.1, 2000.0)
"""Draws are cut to this range, which is that of the tests."""


@dataclass(frozen=True)
class Network:
    """One network, or arrays of them. `access` is "wifi", "4g" or "5g"."""

    access: Words
    down_mbps: Floats
    up_mbps: Floats
    latency_ms: Floats

    @classmethod
    def fixed(cls, down_mbps: float, up_mbps: float, latency_ms: float = 10.0, access: str = "wifi") -> Network:
        """A network with known figures, the same for every phone. Raises ValueError below zero."""
        if down_mbps <= 0 or up_mbps <= 0 or latency_ms < 0:
            raise ValueError("a network needs down_mbps > 0, up_mbps > 0 and latency_ms >= 0")
        if access not in ACCESS:
            raise UnknownName("access", access, ACCESS)
        return cls(np.array(access), *(floats(v)[()] for v in (down_mbps, up_mbps, latency_ms)))

    @classmethod
    def median(cls, access: str = "wifi", region: str = "world") -> Network:
        """The median network of an access type in a region."""
        if access not in ACCESS:
            raise UnknownName("access", access, ACCESS)
        down = _region(region)[access]
        return cls.fixed(down, down * UPLOAD_SHARE[access][0], LATENCY_MS[access][0], access)

    def __getitem__(self, index: int | slice | npt.NDArray[np.int64] | Flags) -> Network:
        """The network of one phone out of an array of them, or those of some."""
        return Network(self.access[index], self.down_mbps[index], self.up_mbps[index], self.latency_ms[index])


def draw_networks(
    n: int,
    rng: np.random.Generator,
    mix: str | Mapping[str, float] = "market",
    region: str = "world",
    phone_ids: Sequence[str] | Words | None = None,
    known: Mapping[str, Phone] | None = None,
) -> Network:
    """Draw `n` networks.

    `mix`: "market" (68.5 % Wi-Fi, the rest 18 % 5G and 82 % 4G), one access type, or shares by access type; or the
    same network for all, "wifi:122" (Mbit/s down) or "wifi:median".
    `region`: "world", "china" or "india", which sets the medians. With `phone_ids`, phones without a 5G
    modem get 4G where 5G was drawn (`known`: phones by id; default: the catalogue). Returns a Network of
    arrays of shape (n,). Raises UnknownName, ValueError.
    """
    medians = _region(region)
    if isinstance(mix, str) and ":" in mix:
        one = _one(mix, region)
        figures = (np.full(n, figure) for figure in (one.down_mbps, one.up_mbps, one.latency_ms))
        return Network(np.full(n, one.access), *figures)
    shares = _shares(mix)
    access = rng.choice(np.array(ACCESS), size=n, p=shares)
    if phone_ids is not None:
        catalogue = phones() if known is None else known
        ids, inverse = np.unique(np.asarray(phone_ids), return_inverse=True)
        lte_only = np.array([i in catalogue and not catalogue[i].has_5g for i in ids], dtype=bool)[inverse]
        access = np.where((access == "5g") & lte_only, "4g", access)
    names = np.array([*WIFI_GENERATIONS, "4g", "5g"])
    generations = np.array(list(WIFI_GENERATIONS.values()))
    generation = rng.choice(len(generations), size=n, p=generations / generations.sum())
    kind = np.select([access == "4g", access == "5g"], [3, 4], generation)
    centre = np.array([TESTS[k][0] for k in names])
    wifi_median = float(np.exp(sum(share * np.log(TESTS[k][0]) for k, share in WIFI_GENERATIONS.items())))
    scale = np.array([medians["wifi"] / wifi_median] * 3 + [medians[k] / TESTS[k][0] for k in ("4g", "5g")])
    spread = np.array([TESTS[k][1] for k in names])
    down = np.clip((centre * scale)[kind] * np.exp(spread[kind] * rng.standard_normal(n)), *LIMITS_MBPS)
    upload, latency = (_lognormal(table, access, rng) for table in (UPLOAD_SHARE, LATENCY_MS))
    return Network(access, down, np.clip(down * np.minimum(upload, 1.0), *LIMITS_MBPS), latency)


def _one(text: str, region: str) -> Network:
    """The network that "ACCESS:median" or "ACCESS:MBPS" names; upload and latency are the access type's medians."""
    access, _, speed = text.partition(":")
    median = Network.median(access, region)
    if speed == "median":
        return median
    try:
        down = float(speed)
    except ValueError:
        raise ValueError(f"{text!r}: 'median' or Mbit/s is expected after the colon") from None
    if not LIMITS_MBPS[0] <= down <= LIMITS_MBPS[1]:
        raise ValueError(f"{text!r}: from {LIMITS_MBPS[0]:g} to {LIMITS_MBPS[1]:g} Mbit/s are expected")
    return Network.fixed(down, down * UPLOAD_SHARE[access][0], LATENCY_MS[access][0], access)


def _region(region: str) -> dict[str, float]:
    if region not in REGIONS:
        raise UnknownName("region", region, REGIONS)
    return REGIONS[region]


def _shares(mix: str | Mapping[str, float]) -> Floats:
    if mix == "market":
        mix = {
            "wifi": WIFI_SHARE,
            "4g": (1 - WIFI_SHARE) * (1 - FIVE_G_SHARE),
            "5g": (1 - WIFI_SHARE) * FIVE_G_SHARE,
        }
    elif isinstance(mix, str):
        mix = {mix: 1.0}
    for name in mix:
        if name not in ACCESS:
            raise UnknownName("access", name, ACCESS)
    shares = np.array([mix.get(name, 0.0) for name in ACCESS])
    if shares.min() < 0 or shares.sum() <= 0:
        raise ValueError("network shares must be 0 or more, and not all 0")
    return np.asarray(shares / shares.sum())


def _lognormal(table: Mapping[str, tuple[float, float]], access: Words, rng: np.random.Generator) -> Floats:
    kind = np.select([access == "4g", access == "5g"], [1, 2], 0)
    centre, spread = (np.array([table[a][i] for a in ACCESS])[kind] for i in (0, 1))
    return np.asarray(centre * np.exp(spread * rng.standard_normal(len(access))))
