"""Random phones from the catalogue, by market share, tier or name.

The shares by tier, release year and vendor are those of devices.md section 8: an assumption built from
sales and usage shares, not a survey of phones in use. Vendors are matched within a tier, for all iPhones
are flagships.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeVar

import numpy as np

from devices.basics import Floats, UnknownName, Words
from devices.phones import TIERS, Phone, find_phone, phones

Group = TypeVar("Group")

TIER_SHARE = {"entry": 0.30, "low-mid": 0.25, "mid": 0.20, "flagship": 0.25}
YEAR_SHARE = {(2018, 2019): 0.10, (2020, 2021): 0.30, (2022, 2023): 0.38, (2024, 2025): 0.22}
PREMIUM_VENDOR_SHARE = {"Apple": 0.67, "Samsung": 0.18}
"""Of phones of 600 USD and more (Counterpoint, 2024; devices.md 8)."""
VENDOR_SHARE = {"Samsung": 22.9, "Xiaomi": 11.2, "Apple": 27.4}
"""Usage share in percent (StatCounter, world 2025; devices.md 8); below the flagships Apple's is left out."""


def draw_phones(
    n: int, mix: str | Sequence[str], rng: np.random.Generator, known: Mapping[str, Phone] | None = None
) -> Words:
    """Draw `n` phone ids.

    `mix`: "market" (by market share), "tier:flagship" (evenly within a tier), one phone's id or name
    (always that one), or a list of them (evenly). `known`: phones by id; default: the catalogue, which is
    all that "market" draws from. Raises UnknownName for a mix, tier or phone that is not known.
    """
    catalogue = phones() if known is None else known
    if not isinstance(mix, str):
        return rng.choice(np.array([find_phone(name, catalogue).phone_id for name in mix]), size=n)
    if mix == "market":
        weights = market_weights()
        return rng.choice(np.array(list(weights)), size=n, p=np.array(list(weights.values())))
    if mix.startswith("tier:"):
        tier = mix.removeprefix("tier:")
        if tier not in TIERS:
            raise UnknownName("tier", tier, TIERS)
        return rng.choice(np.array([p.phone_id for p in catalogue.values() if p.tier == tier]), size=n)
    return np.full(n, find_phone(mix, catalogue).phone_id)


@cache
def market_weights() -> dict[str, float]:
    """The share of each phone of the catalogue in the market mix, by id; they sum to 1.

    Raking: weights are scaled to the vendor, year and tier shares in turn until they hold still. Tiers, which
    matter most for cost, come last and hold exactly; years to within a percent.
    """
    every = list(phones().values())
    vendor = [_vendor_group(p.brand, p.tier) for p in every]
    years = [next(band for band in YEAR_SHARE if band[0] <= p.release_year <= band[1]) for p in every]
    tiers = [p.tier for p in every]
    weights = np.full(len(every), 1 / len(every))
    for _ in range(200):
        weights = _scaled(weights, vendor, _vendor_shares())
        weights = _scaled(weights, years, YEAR_SHARE)
        weights = _scaled(weights, tiers, TIER_SHARE)
    return dict(zip((p.phone_id for p in every), weights.tolist(), strict=True))


def _vendor_group(brand: str, tier: str) -> tuple[str, str]:
    named = PREMIUM_VENDOR_SHARE if tier == "flagship" else ("Samsung", "Xiaomi")
    return ("flagship" if tier == "flagship" else "other", brand if brand in named else "others")


def _vendor_shares() -> dict[tuple[str, str], float]:
    flagship = TIER_SHARE["flagship"]
    shares = {("flagship", v): flagship * s for v, s in PREMIUM_VENDOR_SHARE.items()}
    shares["flagship", "others"] = flagship * (1 - sum(PREMIUM_VENDOR_SHARE.values()))
    left = 100 - VENDOR_SHARE["Apple"]
    for vendor in ("Samsung", "Xiaomi"):
        shares["other", vendor] = (1 - flagship) * VENDOR_SHARE[vendor] / left
    rest = left - VENDOR_SHARE["Samsung"] - VENDOR_SHARE["Xiaomi"]
    shares["other", "others"] = (1 - flagship) * rest / left
    return shares


def _scaled(weights: Floats, groups: Sequence[Group], shares: Mapping[Group, float]) -> Floats:
    scaled = weights.copy()
    for group, share in shares.items():
        members = np.array([g == group for g in groups])
        if members.any():
            scaled[members] *= share / scaled[members].sum()
    return np.asarray(scaled / scaled.sum())
