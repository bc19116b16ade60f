"""How a config's pool is made: which pLLMs it has, in which groups they are trained, and the pool as a copy of them.

The batch that a pLLM is trained in decides the last bits of its weights. So a pLLM always has the same neighbours,
those of its group, whatever the size of the pool and whatever is built already; groups are built whole, cached by the
hash of all that makes them, and shared by pools of every size.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sim.common.cache import built, cache_dir, damage, digest, require_whole
from sim.common.disk import write_whole
from sim.common.names import LONGEST, alike, file_name
from sim.corpus.base import Corpus, Need
from sim.experiment.config import Config
from sim.llm.adapters import kind_of
from sim.pocket import DATA
from sim.pool.pool import INDEX, OFFERS, own_texts, pool_size, pool_styles

VERSION = 3
"""Part of the cache's hash: bump it when pLLMs come out differently for the same config."""
GROUP = 4
"""pLLMs trained in one batch. A constant, since it decides what comes out; docs/log.md has why so few."""
HELD_OUT = 16
"""Texts on which a pLLM's loss is measured, where there are as many."""
SHIPPED = DATA / "pools"


@dataclass(frozen=True)
class Group:
    """Neighbouring styles in one round of dealing pLLMs out over the styles; a task (`sim.transport.dispatch`).

    `round` counts from 0; `digest` is that of all that makes the pLLMs, `model` the base LLM's name in their configs;
    `marked` are those of the styles whose names get a mark, for an earlier style's is as good as equal (`_clashing`).
    """

    index: int
    styles: tuple[str, ...]
    round: int
    digest: str
    model: str
    marked: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The pLLMs' ids, which name their folders: the style, and from its second pLLM on a number."""
        return [f"{name}.{self.round + 1}" if self.round else name for name in _names(self.styles, self.marked)]

    def streams(self, corpus: Corpus) -> list[str]:
        """What the random streams of the pLLMs are called."""
        return [f"{key}.{self.round + 1}" if self.round else key for key in map(corpus.key, self.styles)]

    def owners(self, corpus: Corpus) -> dict[str, tuple[str, str]]:
        """Of each pLLM, by its id, the style and what its random streams are called."""
        return dict(zip(self.names, zip(self.styles, self.streams(corpus), strict=True), strict=True))

    @property
    def label(self) -> str:
        return f"pLLMs {self.names[0]} to {self.names[-1]}"

    @property
    def kind(self) -> str:
        return "pLLMs"

    @property
    def size(self) -> int:
        return len(self.styles)

    @property
    def folder(self) -> Path:
        """Where this machine keeps the pLLMs, each in a folder named by its id."""
        return cache_dir().resolve() / "pllms" / self.digest

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Group:
        """A group from plain values, which know no tuples."""
        return cls(**{**json, "styles": tuple(json["styles"]), "marked": tuple(json["marked"])})

    def order(self) -> dict[str, object]:
        return {"group": asdict(self)}

    def read(self, reply: Mapping[str, Any]) -> str:
        """The name that a node put the pLLMs into the store by."""
        return str(reply["pllms"])

    def keep(self, source: Path) -> None:
        """Take over what a node built, unless this is where it built it."""

        def copy(into: Path) -> None:
            shutil.copytree(source, into, dirs_exist_ok=True)

        built(self.folder, copy)


def _quoted(style: str) -> str:
    """A style as a folder's name: as it is, but for what misleads a file system, a pool, a second pLLM or words.csv."""
    ours = r"(?i:^o(?=ffers$)|^p(?=ool\.json$)|^c(?=ontent\.sha256$))"
    return file_name(style, also=rf"\.(?=\d+$)|{ours}|^u(?=ser \d+$)")


def _marked(name: str, style: str) -> str:
    return f"{name.encode()[: LONGEST - 20].decode(errors='ignore')}%{digest({'style': style})}"


def _names(styles: Sequence[str], marked: Sequence[str]) -> list[str]:
    """The folders' names of styles, before there is a number to them."""
    return [_marked(_quoted(style), style) if style in marked else _quoted(style) for style in styles]


def _clashing(styles: Sequence[str]) -> tuple[str, ...]:
    """Styles whose folders some file system would not tell from an earlier style's: case or Unicode form differ."""
    first: dict[str, str] = {}
    return tuple(style for style in styles if first.setdefault(alike(_quoted(style)), style) != style)


@dataclass(frozen=True)
class PoolPlan:
    """A config's pool before it is there: its folder, and the groups that its `size` pLLMs are the first of.

    `given`: the config names the folder, and there is nothing to make.
    """

    folder: Path
    size: int = 0
    groups: tuple[Group, ...] = ()
    given: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        """Its pLLMs, built or not."""
        if self.given:
            return tuple(json.loads((self.folder / INDEX).read_text(encoding="utf-8-sig"))["pllms"])
        return tuple(islice((name for group in self.groups for name in group.names), self.size))

    def owners(self, corpus: Corpus) -> dict[str, tuple[str, str]]:
        """Those of all its pLLMs, as `Group.owners`; of a pool that a folder holds none are known."""
        found = (owner for group in self.groups for owner in group.owners(corpus).items())
        return dict(islice(found, self.size))

    def missing(self) -> list[Group]:
        """The groups that have to be built first."""
        if self.given or not damage(self.folder, OFFERS):
            return []
        return [group for group in self.groups if damage(group.folder)]

    def assemble(self) -> Path:
        """The pool's folder, put together from its groups where it is not there."""
        members = [(name, group.folder / name) for group in self.groups for name in group.names][: self.size]

        def copy(into: Path) -> None:
            for name, source in members:
                shutil.copytree(source, into / name)
            write_whole(into / INDEX, json.dumps({"pllms": [name for name, _ in members]}, indent=2) + "\n")

        return self.folder if self.given else built(self.folder, copy, OFFERS)


def plan_pool(config: Config, corpus: Corpus, lm_digest: str) -> PoolPlan:
    """Where the config's pool lies (named by the config, shipped or cached) and what it is made of."""
    if config.pool.path:
        return PoolPlan(Path(config.pool.path), given=True)
    styles = pool_styles(config.corpus, corpus)
    size = pool_size(config.pool, styles)
    made_of = {
        "version": VERSION,
        "llm": lm_digest,
        "corpus": corpus.pool_fingerprint(),
        "pool": config.pool.model_dump(exclude={"size", "ship", "path"}) | {"texts": config.owner_texts},
        "training": {
            **kind_of(config.training).settings(),
            **config.training.model_dump(include={"weight_decay", "max_grad_norm", "max_tokens"}),
        },
    }
    groups: list[Group] = []
    clashing = _clashing(styles)
    for first in range(0, size, max(1, len(styles))):
        for at in range(0, min(len(styles), size - first), GROUP):
            some, round_ = tuple(styles[at : at + GROUP]), first // len(styles)
            marked = tuple(style for style in some if style in clashing)
            names, keys = _names(some, marked), [corpus.key(style) for style in some]
            streams = {"streams": keys} if keys != names else {}
            name = digest({**made_of, "styles": names, "round": round_, **streams})
            groups.append(Group(len(groups), some, round_, name, config.llm.model, marked))
    name = digest({"size": size, "groups": [g.digest for g in groups]})
    folder = SHIPPED / name
    if folder.is_dir():
        require_whole(folder, "install Headstart again", OFFERS)
    else:
        folder = cache_dir() / "pools" / name
    return PoolPlan(folder, size, tuple(groups))


def texts_needed(config: Config, corpus: Corpus) -> list[Need]:
    """What the config's pool takes from the corpus where it has to be built, whole groups at a time."""
    own = own_texts(config)
    styles = dict.fromkeys(style for group in plan_pool(config, corpus, "").groups for style in group.styles)
    needs = [need for style in styles for need in (Need(style, "pool", own), Need(style, "test", 1))]
    return [*needs, Need(corpus.default, "pool", config.owner_texts - own)] if styles else []
