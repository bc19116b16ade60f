"""The shared pool: already personalised LLMs on disk, each a plain PEFT adapter folder and its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from sim.common.cache import SEAL, require_whole
from sim.common.errors import UserError, nearest
from sim.common.names import alike, wrong_with
from sim.corpus.base import Corpus
from sim.experiment.config import Config
from sim.experiment.sections import MOST_PLLMS, CorpusSection, PoolSection
from sim.llm.adapters.base import Layout
from sim.llm.adapters.files import check_folder

T = TypeVar("T")
INDEX = "pool.json"
"""The file that lists a pool's pLLMs."""
OFFERS = "offers"
"""A pool's subfolder of offers about it, which are not part of it."""
CARD = "card.json"
"""The file beside a pLLM's adapter that says what is known of it."""


@dataclass(frozen=True)
class Card:
    """What is known of a pLLM: `steps` made its adapter, of `trained` until patience was out; losses are per token.

    `style` "" is nobody's, of one that the cloud made of others.
    `validation_loss` is that of the texts which chose the step; None: its owner had too few to set any aside.
    """

    id: str
    style: str
    similarity: float
    texts: int
    steps: int
    trained: int
    validation_loss: float | None
    loss: float

    @classmethod
    def of(cls, content: Any, name: str) -> Card:
        """The card of a pLLM of that name. Raises: TypeError, ValueError."""
        card = cls(**content)
        for key, kinds in {"id": str, "style": str, "texts": int, "steps": int, "trained": int}.items():
            if not isinstance(value := getattr(card, key), kinds) or isinstance(value, bool):
                raise TypeError(f"{key} = {value!r:.60}, which is no {kinds.__name__}")
        for key in ("similarity", "loss", "validation_loss"):
            value = getattr(card, key)
            unknown = value is None and key == "validation_loss"
            if not unknown and (not isinstance(value, int | float) or isinstance(value, bool)):
                raise TypeError(f"{key} = {value!r:.60}, which is no number")
        if card.id != name:
            raise ValueError(f"id = {card.id!r:.60}, but its folder is {name!r}")
        counts = (card.texts, card.steps, card.trained)
        if not 0 <= card.similarity <= 1 or min(counts) < 0 or max(counts) >= 2**63:
            raise ValueError("similarity is from 0 to 1, texts and steps from 0 to 2^63")
        return card


class Pool:
    """A folder of pLLMs in the order of their cards. One that carries the digest of its content is held to it.

    Raises: UserError that names the file when a card or an adapter is missing, broken or of a style that is unknown.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self.folder = folder
        index = folder / INDEX
        if not index.is_file():
            raise UserError(f"pool.path: {str(folder)!r} is no pool ({INDEX} is missing).")
        self.cards: dict[str, Card] = {}
        self.bases: dict[str, str] = {}
        """The LLM that each pLLM says it was made for; "" where it says none."""
        for name in _read(index, _ids):
            path = folder / name / CARD
            if not path.is_file():
                raise UserError(f"pool: {path} is missing; rebuild the pool or remove the folder {folder}.")
            card = self.cards[name] = card_of(folder / name, name)
            if card.style and card.style not in corpus.styles:
                near = nearest(card.style, corpus.styles)
                raise UserError(f"pool: {path}: the corpus has no style {card.style!r}.{near}")
            self.bases[name] = str(check_folder(folder / name).get("base_model_name_or_path") or "")
        if (folder / SEAL).exists():
            require_whole(folder, f"bring back what it held, or remove {SEAL} if you changed it yourself", OFFERS)
        self._adapter = lru_cache(maxsize=256)(self._load)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.cards)

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that pLLMs have, in order."""
        return tuple(dict.fromkeys(card.style for card in self.cards.values() if card.style))

    def card(self, name: str) -> Card:
        if name not in self.cards:
            raise UserError(f"pool: no pLLM {name!r}; it has {', '.join(self.cards) or 'none'}.")
        return self.cards[name]

    def adapter(self, name: str, layout: Layout) -> Tensor:
        """The flat adapter (size,) of a pLLM."""
        return self._adapter(name, layout)

    def check(self, layout: Layout) -> None:
        """Read every pLLM's weights once. Raises UserError where one is broken, or none of this layout."""
        for name in self.cards:
            layout.load(self.folder / name)

    def remarks(self, model: str) -> tuple[str, ...]:
        """A sentence where pLLMs say that they were made for another LLM than this one, by its name."""
        others = {base for base in self.bases.values() if base and _last(base) != _last(model)}
        if not others:
            return ()
        count, named = sum(base in others for base in self.bases.values()), ", ".join(map(repr, sorted(others)[:3]))
        said = f"pool: {count} of {len(self.bases)} pLLMs say that they were made for {named}"
        return (f"{said}, not for llm.model = {model!r}.",)

    def _load(self, name: str, layout: Layout) -> Tensor:
        self.card(name)
        return layout.load(self.folder / name)

    def nearest(self, corpus: Corpus, styles: Sequence[str]) -> list[str]:
        """The pLLMs truly closest to a user's styles: least mean style distance, then highest similarity.

        None where it is not known how far any is: styles of files are the same or not. Of two styles those between
        them are as close as the styles themselves, and as good a start (docs/log.md).
        """

        def apart(card: Card) -> tuple[float, float]:
            return sum(corpus.distance(s, card.style) for s in styles) / len(styles), -card.similarity

        styled = {name: card for name, card in self.cards.items() if card.style}
        known = {n: apart(c) for n, c in styled.items() if any(corpus.comparable(s, c.style) for s in styles)}
        best = min(known.values(), default=None)
        return [name for name, distance in known.items() if distance == best]


def card_of(folder: Path, name: str) -> Card:
    """The card of a pLLM of that name, in its folder. Raises UserError where it is broken."""
    return _read(folder / CARD, partial(Card.of, name=name))


def _ids(index: Any) -> list[str]:
    """The ids that a pool lists, each of which can be a folder's name beside the others. Raises: as `Card.of`."""
    ids, seen = index["pllms"], {alike(OFFERS), alike(INDEX), alike(SEAL)}
    if not isinstance(ids, list):
        raise TypeError("pllms is no list")
    for name in ids:
        if not isinstance(name, str):
            raise TypeError(f"the id {name!r:.60} is no text")
        if what := wrong_with(name):
            raise ValueError(f"the id {name!r:.60}: {what}")
        if alike(name) in seen:
            raise ValueError(f"the id {name!r:.60} is there twice, but for case, or is the name of another file")
        seen.add(alike(name))
    return ids


def _last(name: str) -> str:
    """What a folder or a name on the hub ends in: the same LLM may lie in another place."""
    return name.rstrip("/").rpartition("/")[2].lower()


def _read(path: Path, shape: Callable[[Any], T]) -> T:
    """The content of a JSON file in the shape that it should have."""
    try:
        return shape(json.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"pool: {path} is broken ({type(error).__name__}: {error}).") from error


def pool_styles(section: CorpusSection, corpus: Corpus) -> list[str]:
    """The styles that pLLMs are dealt out over."""
    return [corpus.style(s).id for s in section.styles] or list(corpus.usual)


def styles_in_pool(config: Config, corpus: Corpus) -> list[str]:
    """The styles that the config's pool has or, where it is not built yet, will have."""
    if config.pool.path:
        return list(Pool(Path(config.pool.path), corpus).styles)
    styles = pool_styles(config.corpus, corpus)
    return list(dict.fromkeys(styles[: pool_size(config.pool, styles)]))


def own_texts(config: Config) -> int:
    """How many of a pLLM's texts are in its style; the others are in the default one."""
    return round(config.pool.similarity * config.owner_texts)


def pool_size(section: PoolSection, styles: Sequence[str]) -> int:
    """Number of pLLMs of a pool that is dealt out over these styles. Raises UserError where 'auto' is out of reach."""
    if section.size == "auto" and len(styles) > MOST_PLLMS:
        raise UserError(
            f"pool.size = 'auto': the corpus has {len(styles):,} styles, and a pool at most {MOST_PLLMS:,} pLLMs; set "
            "pool.size, or choose styles (corpus.styles)."
        )
    return len(styles) if section.size == "auto" else section.size
