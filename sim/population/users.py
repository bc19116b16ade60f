"""Who the users are: their styles, texts, phone and connection. Any worker can draw any user from seed and id alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from devices import Network, draw_networks, draw_phones
from sim.common.errors import UserError
from sim.common.streams import Streams, stream
from sim.corpus.base import Corpus, Need, Part
from sim.experiment.config import Config
from sim.messages import Connection
from sim.pool.pool import pool_styles, styles_in_pool
from sim.population.phones import known_phones, phone_mix
from strategies.base import Text

TEN = 10
"""Users in a row of whom as many attack as the share says."""
Written = tuple[list[Text], list[Text]]


@dataclass(frozen=True)
class User:
    """One simulated person. `write` makes the own and the held-out texts; it is called when one is first read.

    `taught`: the built-in LLMs learnt from all of the user's styles; None: not known. `attacker`: see
    `sim.population.attacks`.
    """

    id: int
    styles: tuple[str, ...]
    taught: bool | None
    phone: str
    network: Network
    write: Callable[[], Written] = field(repr=False, compare=False)
    attacker: bool = False

    @property
    def connection(self) -> Connection:
        """What the phone's network does."""
        net = self.network
        return Connection(str(net.access), float(net.down_mbps), float(net.up_mbps), float(net.latency_ms))

    @cached_property
    def _written(self) -> Written:
        return self.write()

    @property
    def texts(self) -> Sequence[Text]:
        """What the phone has."""
        return self._written[0]

    @property
    def held_out(self) -> Sequence[Text]:
        """What only the evaluation sees."""
        return self._written[1]


def possible_styles(config: Config, corpus: Corpus) -> list[str]:
    """The styles that users can have: named, or people, or those of the pool, or (an empty pool) the corpus's."""
    styles = [corpus.style(s).id for s in config.population.styles]
    return styles or list(corpus.people) or styles_in_pool(config, corpus) or pool_styles(config.corpus, corpus)


def are_people(corpus: Corpus, styles: Sequence[str]) -> bool:
    """Whether styles that users can have are real people, who are the users one after another."""
    return set(styles) <= set(corpus.people)


def check_mixture(config: Config, styles: Sequence[str]) -> None:
    """Raise UserError where a user mixes more styles than users can have."""
    if (count := config.population.styles_per_user) > len(styles):
        raise UserError(f"population.styles_per_user = {count}: users can have only {len(styles)} styles.")


def texts_needed(config: Config, styles: Sequence[str]) -> list[Need]:
    """What users of these styles take from the corpus: each at most a share, where they mix styles."""
    population, mixed = config.population, config.population.styles_per_user
    shares: dict[Part, int] = {"user": -(-population.texts // mixed), "test": -(-population.held_out // mixed)}
    return [Need(style, part, share) for style in styles for part, share in shares.items()]


def draw_users(config: Config, corpus: Corpus, styles: Sequence[str], user_ids: Sequence[int]) -> list[User]:
    """Some users; each is the same for any number of users and workers, and whoever is drawn along.

    Args:
        styles: what users can have, one of which is drawn, or several where `population.styles_per_user` says so.
    """
    users = []
    phone_ids, networks = draw_devices(config, user_ids)
    people = are_people(corpus, styles)  # each is a user once before anybody is twice
    for at, (user_id, phone) in enumerate(zip(user_ids, phone_ids, strict=True)):
        own = (styles[user_id % len(styles)],) if people else _styles(config, styles, user_id)
        write = partial(_write, config, corpus, own, user_id)
        users.append(
            User(user_id, own, corpus.all_taught(own), str(phone), networks[at], write, attacks(config, user_id))
        )
    return users


def contributes(config: Config, user_id: int) -> bool:
    """Whether a user gives what fine-tuning made to the cloud, where users come in waves. Attackers always do."""
    waves = config.waves
    if waves.count == 1:
        return False
    return attacks(config, user_id) or float(stream(config.seed, user_id, "contribute").random()) < waves.contribute


def attacks(config: Config, user_id: int) -> bool:
    """Whether a user attacks: the same do for all strategies, policies and attacks, and for a larger share more.

    Of every ten users in a row it is the share, to within one: small runs have what they ask for.
    """
    if not (share := config.attackers.share):
        return False
    ten, place = divmod(user_id, TEN)
    turns, within = stream(config.seed, ten, "attackers").permutation(TEN), stream(config.seed, user_id, "attacker")
    return (int(turns[place]) + float(within.random())) / TEN < share


def draw_user(config: Config, corpus: Corpus, styles: Sequence[str], user_id: int) -> User:
    """One user, as `draw_users` has it."""
    return draw_users(config, corpus, styles, [user_id])[0]


def _write(config: Config, corpus: Corpus, styles: Sequence[str], user_id: int) -> Written:
    population, rng = config.population, stream(config.seed, user_id, "texts")
    own = _mixed(corpus, styles, "user", population.texts, rng)
    return own, _mixed(corpus, styles, "test", population.held_out, rng)


def draw_devices(config: Config, user_ids: Sequence[int]) -> tuple[np.ndarray, Network]:
    """Users' phone ids and connections, each from the user's own streams: arrays of one entry a user."""
    population, count = config.population, len(user_ids)
    known = known_phones(population)
    ids = draw_phones(count, phone_mix(population), Streams(config.seed, user_ids, "phone"), known)
    rng = Streams(config.seed, user_ids, "network")
    return ids, draw_networks(count, rng, population.network, phone_ids=ids, known=known)


def _styles(config: Config, styles: Sequence[str], user_id: int) -> tuple[str, ...]:
    count = config.population.styles_per_user
    check_mixture(config, styles)
    rng = stream(config.seed, user_id, "style")
    return tuple(styles[i] for i in rng.choice(len(styles), count, replace=False))


def _mixed(corpus: Corpus, styles: Sequence[str], part: Part, count: int, rng: np.random.Generator) -> list[Text]:
    """`count` texts dealt out over the styles as evenly as can be, in random order."""
    shares = [count // len(styles) + (i < count % len(styles)) for i in range(len(styles))]
    texts = [t for style, n in zip(styles, shares, strict=True) for t in corpus.draw(style, part, n, rng)]
    return [texts[i] for i in rng.permutation(len(texts))]
