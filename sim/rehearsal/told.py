"""What a strategy did in a rehearsal, for people: its requests with what they would cost a phone, and its choices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from sim.cloud.preparation import Preparation
from sim.common.errors import UserError
from sim.pool.offers import offer_bytes
from sim.rehearsal.rehearse import Seen, rehearse, sizes_of
from sim.rehearsal.world import Sizes, World
from sim.worker.choosing import Participant
from sim.worker.phone import PhoneView
from strategies.base import Choice, Phone, Price, Request, Start

SECONDS = 5.0
"""Of the processor, that each side of a strategy may take: full size is tried first, and then a small world."""
COLUMNS = ("who", "asks for", "times", "seconds", "joules", "MB down", "MB up")
MOST_NAMES = 3
"""pLLMs of a start, and words, that a line names."""


@dataclass(frozen=True)
class Ask:
    """A request, and its price where a phone made it."""

    request: Request[object]
    price: Price | None = None


@dataclass(frozen=True)
class Told:
    """A strategy's rehearsal: a table of what it asked for, and sentences on its offer, prices and choices."""

    table: pd.DataFrame
    sentences: tuple[str, ...]


def tell(name: str, preparation: Preparation, each: bool = False) -> Told:
    """Rehearse a strategy of a config and say what it did. Raises UserError where it is at fault.

    Args:
        each: a row for every request, rather than for all that are alike.
    """
    full = sizes_of(preparation)
    with World(preparation.config) as world:
        for sizes in dict.fromkeys((full, full.small)):
            asks: dict[int, list[Ask]] = defaultdict(list)
            seen = rehearse(name, world, sizes, SECONDS, lambda phone, request: _note(asks, phone, request))  # noqa: B023
            if seen.fault is not None:
                raise UserError(f"{seen.fault}.")
            if not seen.stopped:
                break
    rows = [*_rows("cloud", [Ask(request) for request in seen.asked], each)]
    for user in seen.phones:
        rows += _rows(f"phone {user}", asks[user], each)
    table = pd.DataFrame(rows, columns=list(COLUMNS)).dropna(axis="columns", how="all")
    return Told(table, tuple(_sentences(seen, asks, sizes, full)))


def _note(asks: dict[int, list[Ask]], phone: Phone, request: Request[object]) -> None:
    assert isinstance(phone, PhoneView)
    try:
        price = phone.price(request)
    except Exception:  # no request, which the driver will say; or one of others that cannot be priced beforehand
        price = None
    asks[phone.user_id].append(Ask(request, price))


def _rows(who: str, asks: Sequence[Ask], each: bool) -> Iterator[tuple[Any, ...]]:
    """Who asks, what for, how often, and what it costs in all; requests that are alike at the place of the first."""
    alike: dict[object, list[Ask]] = defaultdict(list)
    for place, ask in enumerate(asks):
        alike[place if each else _described(ask.request)].append(ask)
    for some in alike.values():
        prices = [ask.price for ask in some if ask.price is not None]
        sums = (
            (sum(getattr(price, name) for price in prices) / unit if prices else None)
            for name, unit in (("seconds", 1), ("joules", 1), ("bytes_down", 1e6), ("bytes_up", 1e6))
        )
        start = f" {_named(some[0].request)}" if each else ""
        yield who, _described(some[0].request) + start, len(some), *sums


def _described(request: Request[object]) -> str:
    """A request in a few words, but for the pLLMs that it names."""
    said = [type(request).__name__]
    for part in fields(request) if hasattr(request, "__dataclass_fields__") else ():  # type: ignore[arg-type]
        value = getattr(request, part.name)
        if isinstance(value, Start) or part.name == "pllm":
            continue
        if hasattr(value, "__len__") and not isinstance(value, str):
            said.append(f"{len(value)} {part.name}")
        elif value != part.default or part.name == "llm":
            said.append(str(value) if part.name == "llm" else f"{part.name}={value}")
    return " ".join(said)


def _named(request: Request[object]) -> str:
    """The pLLMs that a request names."""
    if isinstance(start := getattr(request, "start", None), Start):
        return _start(start)
    return str(getattr(request, "pllm", ""))


def _start(start: Start) -> str:
    names = [name if weight == 1 else f"{weight:.2g} {name}" for name, weight in start.weights.items()]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more or "from scratch"


def _sentences(seen: Seen, asks: dict[int, list[Ask]], sizes: Sizes, full: Sizes) -> Iterator[str]:
    if sizes != full:
        here = f"{len(sizes.pllms)} pLLMs and {max(sizes.texts)} texts"
        yield f"With all {len(full.pllms)} pLLMs and {max(full.texts)} texts it takes longer: this is of {here}."
    if seen.stopped:
        yield f"Stopped after {SECONDS:g} seconds of work: what it would do then was not tried."
    if seen.offer is not None:
        what = f": {', '.join(seen.offer.payload)}" if seen.offer.payload else ""
        yield f"Offer: {len(seen.offer.pllms)} pLLMs, {offer_bytes(seen.offer) / 1e3:,.1f} kB beside them{what}."
    for user, phone in seen.phones.items():
        yield f"Phone {user} ({_phone(phone)}) {_chosen(seen.choices.get(user))}."
        if reasons := {ask.price.reason for ask in asks[user] if ask.price is not None and not ask.price.fits}:
            yield f"Phone {user} cannot do all of that: {'; '.join(sorted(reasons))}."


def _phone(phone: Participant) -> str:
    view = phone.view
    hardware = view.hardware
    return (
        f"{view.own.phone.phone_id}, {hardware.access} at {hardware.down_mbps:.0f} Mbit/s down, {len(view.texts)} texts"
    )


def _chosen(choice: Choice | None) -> str:
    if choice is None:
        return "has not chosen"
    words = list(choice.explanation)[:MOST_NAMES]
    return f"starts {'at ' if choice.start.weights else ''}{_start(choice.start)}" + (
        f", and says {', '.join(words)}" if words else ""
    )
