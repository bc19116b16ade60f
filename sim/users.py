"""Who the users are: their styles, texts, phone and connection. Any worker can draw any user from seed and id alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devices import Network, draw_networks, draw_phones
from sim.config import Config
from sim.corpus.base import Corpus
from sim.errors import UserError
from sim.streams import stream
from strategies.base import Text


@dataclass(frozen=True)
class User:
    """One simulated person. `texts` are what the phone has, `held_out` what only the evaluation sees."""

    id: int
    styles: tuple[str, ...]
    phone: str
    network: Network
    texts: Sequence[Text]
    held_out: Sequence[Text]


def draw_user(config: Config, corpus: Corpus, styles: Sequence[str], user_id: int) -> User:
    """Draw one user; the same for any number of users and workers.

    Args:
        styles: what users can have, one of which is drawn, or several where `population.styles_per_user` says so.
    """
    seed, population = config.seed, config.population
    own = _styles(config, styles, user_id)
    write = stream(seed, user_id, "texts")
    phone, network = draw_phone(config, user_id)
    return User(
        id=user_id,
        styles=own,
        phone=phone,
        network=network,
        texts=_mixed(corpus, own, "user", population.texts, write),
        held_out=_mixed(corpus, own, "test", population.held_out, write),
    )


def draw_phone(config: Config, user_id: int) -> tuple[str, Network]:
    """A user's phone id and connection."""
    mix = config.population.phones
    choice = [p.strip() for p in mix.split(",")] if "," in mix else mix
    phone = str(draw_phones(1, choice, stream(config.seed, user_id, "phone"))[0])
    rng = stream(config.seed, user_id, "network")
    return phone, draw_networks(1, rng, config.population.network, phone_ids=[phone])[0]


def _styles(config: Config, styles: Sequence[str], user_id: int) -> tuple[str, ...]:
    count = config.population.styles_per_user
    if count > len(styles):
        raise UserError(f"population.styles_per_user = {count}: users can have only {len(styles)} styles.")
    rng = stream(config.seed, user_id, "style")
    return tuple(styles[i] for i in rng.choice(len(styles), count, replace=False))


def _mixed(corpus: Corpus, styles: Sequence[str], part, count: int, rng) -> list[Text]:  # type: ignore[no-untyped-def]
    """`count` texts dealt out over the styles as evenly as can be, in random order."""
    shares = [count // len(styles) + (i < count % len(styles)) for i in range(len(styles))]
    texts = [t for style, n in zip(styles, shares, strict=True) for t in corpus.draw(style, part, n, rng)]
    return [texts[i] for i in rng.permutation(len(texts))]
