"""The shared pool: already personalised LLMs on disk, each a plain PEFT adapter folder and its card."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from sim.cache import built, cache_dir, digest
from sim.config import Config
from sim.corpus.base import Corpus
from sim.errors import UserError, nearest
from sim.llm.finetune import Lane, Plan, finetune
from sim.llm.lanes import Lanes
from sim.llm.lora import Layout, check_adapter, load_adapter, save_adapter
from sim.llm.model import LanguageModel
from sim.streams import stream

T = TypeVar("T")
VERSION = 1
"""Part of the cache's hash: bump it when pLLMs come out differently for the same config."""
SHIPPED = Path(__file__).parent / "llm" / "pocket" / "data" / "pools"


@dataclass(frozen=True)
class Card:
    """What is known of a pLLM."""

    id: str
    style: str
    similarity: float
    texts: int
    steps: int
    loss: float


class Pool:
    """A folder of pLLMs in the order of their cards.

    Raises: UserError that names the file when a card or an adapter is missing, broken or of a style that is unknown.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self.folder = folder
        index = folder / "pool.json"
        if not index.is_file():
            raise UserError(f"pool.path: {str(folder)!r} is no pool (pool.json is missing).")
        self.cards: dict[str, Card] = {}
        for name in _read(index, lambda content: list(map(str, content["pllms"]))):
            path = folder / name / "card.json"
            if not path.is_file():
                raise UserError(f"pool: {path} is missing; rebuild the pool or remove the folder {folder}.")
            card = self.cards[name] = _read(path, lambda content: Card(**content))
            if card.style not in corpus.styles:
                near = nearest(card.style, corpus.styles)
                raise UserError(f"pool: {path}: the corpus has no style {card.style!r}.{near}")
            check_adapter(folder / name)
        self._adapter = lru_cache(maxsize=256)(self._load)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.cards)

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that pLLMs have, in order."""
        return tuple(dict.fromkeys(card.style for card in self.cards.values()))

    def card(self, name: str) -> Card:
        if name not in self.cards:
            raise UserError(f"pool: no pLLM {name!r}; it has {', '.join(self.cards) or 'none'}.")
        return self.cards[name]

    def adapter(self, name: str, layout: Layout) -> Tensor:
        """The flat adapter (size,) of a pLLM."""
        return self._adapter(name, layout)

    def _load(self, name: str, layout: Layout) -> Tensor:
        self.card(name)
        return load_adapter(self.folder / name, layout)

    def nearest(self, corpus: Corpus, styles: Sequence[str]) -> list[str]:
        """The pLLMs truly closest to a user's styles: least mean style distance, then highest similarity."""

        def apart(card: Card) -> tuple[float, float]:
            return sum(corpus.distance(s, card.style) for s in styles) / len(styles), -card.similarity

        best = min(map(apart, self.cards.values()), default=None)
        return [name for name, card in self.cards.items() if apart(card) == best]


def _read(path: Path, shape: Callable[[Any], T]) -> T:
    """The content of a JSON file in the shape that it should have."""
    try:
        return shape(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"pool: {path} is broken ({type(error).__name__}: {error}).") from error


def pool_folder(
    config: Config,
    corpus: Corpus,
    lm: LanguageModel,
    lm_digest: str,
    lanes: Lanes,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Path:
    """The folder of the config's pool: named by the config, shipped, cached, or built now."""
    if config.pool.path:
        return Path(config.pool.path)
    training = config.training.model_dump(
        include={"rank", "alpha", "targets", "weight_decay", "max_grad_norm", "max_tokens"}
    )
    styles = pool_styles(config, corpus)
    made_of = {
        "version": VERSION,
        "llm": lm_digest,
        "corpus": corpus.fingerprint(),
        "styles": styles,
        "size": _size(config, styles),
        "pool": config.pool.model_dump(exclude={"size", "ship", "path"}),
        "training": training,
    }
    name = digest(made_of)
    if (SHIPPED / name).is_dir():
        return SHIPPED / name
    return built(
        cache_dir() / "pools" / name,
        lambda folder: _build(folder, config, corpus, styles, lm, lanes, made_of, progress),
    )


def pool_styles(config: Config, corpus: Corpus) -> list[str]:
    """The styles that pLLMs are dealt out over."""
    return [corpus.style(s).id for s in config.corpus.styles] or list(corpus.usual)


def styles_in_pool(config: Config, corpus: Corpus) -> list[str]:
    """The styles that the config's pool has or, where it is not built yet, will have."""
    if config.pool.path:
        return list(Pool(Path(config.pool.path), corpus).styles)
    styles = pool_styles(config, corpus)
    return list(dict.fromkeys(styles[: _size(config, styles)]))


def _size(config: Config, styles: Sequence[str]) -> int:
    return len(styles) if config.pool.size == "auto" else config.pool.size


def _build(
    folder: Path,
    config: Config,
    corpus: Corpus,
    styles: Sequence[str],
    lm: LanguageModel,
    lanes: Lanes,
    made_of: dict[str, object],
    progress: Callable[[int, int], None],
) -> None:
    pool, training = config.pool, config.training
    jobs: list[Lane[str]] = []
    style_of: dict[str, str] = {}
    size = _size(config, styles)
    for i in range(size):
        style, round_ = styles[i % len(styles)], i // len(styles)
        name = style if not round_ else f"{style}.{round_ + 1}"
        rng = stream(pool.seed, "pool", name)
        own = round(pool.similarity * pool.texts)
        texts = corpus.draw(style, "pool", own, rng)
        texts += corpus.draw(corpus.default, "pool", pool.texts - own, rng)
        held_out = corpus.draw(style, "test", 16, rng)
        style_of[name] = style
        jobs.append(
            Lane(
                key=name,
                start=lanes.layout.fresh(rng),
                texts=lm.encode(texts, training.max_tokens),
                held_out=lm.encode(held_out, training.max_tokens),
                rng=rng,
            )
        )
    plan = Plan(
        steps=pool.steps,
        batch=pool.batch,
        lr=pool.lr,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        evaluate_every=pool.steps,
        width=config.engine.lanes,
    )
    for done, result in enumerate(finetune(lm, lanes, jobs, plan), start=1):
        name = result.key
        assert result.adapter is not None
        save_adapter(folder / name, lanes.layout, result.adapter, config.llm.model, half=True)
        card = Card(name, style_of[name], pool.similarity, pool.texts, result.steps, result.curve[-1][1])
        (folder / name / "card.json").write_text(json.dumps(asdict(card), indent=2) + "\n")
        progress(done, size)
    index = {"pllms": [job.key for job in jobs], "made_of": made_of}
    (folder / "pool.json").write_text(json.dumps(index, indent=2, default=str) + "\n")
