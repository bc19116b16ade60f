"""The phones that users can have, and what a user's phone knows of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from devices import Device, Network, Phone, phones, read_phones
from sim.common.errors import UserError
from sim.common.streams import Streams
from sim.experiment.config import Config
from sim.experiment.sections import Population
from sim.messages import Connection
from sim.population.hours import Hours
from strategies.base import Hardware


def phone_mix(population: Population) -> str | list[str]:
    """`population.phones` as `draw_phones` takes it."""
    mix = population.phones
    return [p.strip() for p in mix.split(",")] if "," in mix else mix


def known_phones(population: Population) -> Mapping[str, Phone]:
    """Every phone by id: the built-in ones, joined or replaced by those of `population.phone_file`.

    Raises: UserError naming the file, and the row and column at fault.
    """
    return _with_own(population.phone_file)


@lru_cache(maxsize=2)
def _with_own(file: str) -> Mapping[str, Phone]:
    if not file:
        return phones()
    try:
        return {**phones(), **read_phones(file)}
    except OSError as error:
        raise UserError(f"population.phone_file: cannot read {file!r}: {error.strerror or error}.") from None
    except ValueError as error:
        raise UserError(f"population.phone_file: {' '.join(str(error).split())}.") from None


@dataclass(frozen=True)
class OwnPhone:
    """One user's phone on its network, with its own draw of the rates: the one that is billed.

    Made when it is first asked for, since most strategies never do.
    """

    seed: int
    user_id: int
    phone: Phone
    connection: Connection
    backend: str
    hours: Hours

    @cached_property
    def device(self) -> Device:
        """What work costs on it: arrays of one entry."""
        return drawn_devices(self.seed, [self.user_id], [self.phone], [self.connection], self.backend)

    @cached_property
    def hardware(self) -> Hardware:
        """Memory, network, battery, and when it may work."""
        device, connection = self.device, self.connection
        return Hardware(
            tier=self.phone.tier,
            app_ram_bytes=float(device.usable_bytes[0]),
            access=connection.access,
            down_mbps=connection.down_mbps,
            up_mbps=connection.up_mbps,
            latency_ms=connection.latency_ms,
            battery_j=float(device.battery_j[0]),
            windows_h=self.hours.windows(self.user_id),
        )


def own_phone(config: Config, hours: Hours, user_id: int, phone_id: str, connection: Connection) -> OwnPhone:
    """A user's phone, one of those that the config knows."""
    phone = known_phones(config.population)[phone_id]
    return OwnPhone(config.seed, user_id, phone, connection, config.billing.backend, hours)


def drawn_devices(
    seed: int, user_ids: Sequence[int], models: Sequence[Phone], connections: Sequence[Connection], backend: str
) -> Device:
    """Users' phones on their networks, each with its own draw of the rates: arrays (users,)."""
    network = Network(
        np.array([c.access for c in connections]),
        np.array([c.down_mbps for c in connections]),
        np.array([c.up_mbps for c in connections]),
        np.array([c.latency_ms for c in connections]),
    )
    return drawn_on(seed, user_ids, models, network, backend)


def drawn_on(seed: int, user_ids: Sequence[int], models: Sequence[Phone], network: Network, backend: str) -> Device:
    """The same, where the networks are arrays already."""
    return Device.of(models, network, backend=backend, rng=Streams(seed, user_ids, "device"))
