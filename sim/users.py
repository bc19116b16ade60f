"""Who the users are: their styles, texts, phone and connection. Any worker can draw any user from seed and id alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from devices import Network, Phone, draw_networks, draw_phones, phones, read_phones
from sim.config import Config
from sim.corpus.base import Corpus
from sim.errors import UserError
from sim.pool import pool_styles, styles_in_pool
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


def possible_styles(config: Config, corpus: Corpus) -> list[str]:
    """The styles that users can have: named, or those of the pool, or (an empty pool) the corpus's.

    Raises: UserError where the corpus has fewer texts of a style than a user of that style needs.
    """
    population = config.population
    styles = [corpus.style(s).id for s in population.styles]
    styles = styles or styles_in_pool(config, corpus) or pool_styles(config, corpus)
    for style in styles:
        corpus.need(style, "user", -(-population.texts // population.styles_per_user))
        corpus.need(style, "test", -(-population.held_out // population.styles_per_user))
    return styles


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


def phone_mix(config: Config) -> str | list[str]:
    """`population.phones` as `draw_phones` takes it."""
    mix = config.population.phones
    return [p.strip() for p in mix.split(",")] if "," in mix else mix


def known_phones(config: Config) -> Mapping[str, Phone]:
    """Every phone by id: the built-in ones, joined or replaced by those of `population.phone_file`.

    Raises: UserError naming the file, and the row and column at fault.
    """
    return _with_own(config.population.phone_file)


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


def draw_phone(config: Config, user_id: int) -> tuple[str, Network]:
    """A user's phone id and connection."""
    known = known_phones(config)
    phone = str(draw_phones(1, phone_mix(config), stream(config.seed, user_id, "phone"), known)[0])
    rng = stream(config.seed, user_id, "network")
    return phone, draw_networks(1, rng, config.population.network, phone_ids=[phone], known=known)[0]


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
