"""Answers about topics in a style: facts at the style's level, dressed in its wordings.

The data lies beside this file: `topics_*.toml` (facts at four levels of expertise) and `wordings.toml` (what the values
of the four axes sound like). A style is a value for some of the axes; an axis without one is written as the default.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np

LEVELS = {
    "expertise": ("elementary", "middle", "undergraduate", "expert"),
    "formality": ("slang", "casual", "polite", "corporate"),
}
FACTS = {"concise": (1,), "default": (1, 2), "informative": (2,)}

# Words that lose their capital when a sentence follows a lead-in; names keep theirs.
_COMMON = frozenset(
    "a an the this that these those it its they their there most many some each every when while because by in on at "
    "for from with without under over as if once since both all such one two three people heat light water "
    "scientists".split()
)


class Grammar:
    """Facts and wordings. Deterministic: everything random comes from the generator that is passed in."""

    def __init__(self) -> None:
        folder = files("sim.corpus.persona")
        names = sorted(f.name for f in folder.iterdir() if f.name.startswith("topics_"))
        sources = [(folder / name).read_text(encoding="utf-8") for name in [*names, "wordings.toml"]]
        self.digest = hashlib.sha256("\0".join(sources).encode()).hexdigest()
        self.topics: list[dict[str, Any]] = [t for s in sources[:-1] for t in tomllib.loads(s)["topic"]]
        self.wordings: dict[str, Any] = tomllib.loads(sources[-1])

    @cached_property
    def prompts(self) -> list[tuple[str, int]]:
        """Every (prompt, topic number)."""
        forms = self.wordings["questions"]["forms"]
        return [(f.format(topic=t["name"]), n) for n, t in enumerate(self.topics) for f in forms]

    def adjectives(self, axes: Mapping[str, str]) -> list[str]:
        """The words that describe a style, one axis after another."""
        return [word for axis, value in axes.items() for word in self.wordings[axis][value]["adjectives"]]

    def answer(self, topic: int, axes: Mapping[str, str], rng: np.random.Generator) -> str:
        """One answer about a topic. Empty `axes` give the default style, which states facts of any level plainly."""
        entry = self.topics[topic]
        amount = axes.get("informativeness", "default")
        level = axes.get("expertise") or _pick(rng, LEVELS["expertise"])
        facts = list(entry[level])
        chosen = [facts[i] for i in sorted(rng.permutation(len(facts))[: _pick(rng, FACTS[amount])])]
        words = [self.wordings[axis][value] for axis, value in axes.items()]
        links = [link for w in words for link in w.get("links", ())] or self.wordings["default"]["links"]
        asides = [w["asides"] for w in words if w.get("asides")]
        parts = self._dress(words, "openers", rng, amount)
        for i, fact in enumerate(chosen):
            linked = rng.random() < 0.5 if i else bool(axes) and rng.random() < 0.25
            parts.append(f"{_pick(rng, links)} {_lowered(fact)}" if linked else fact)
            if asides and rng.random() < (0.5 if i == 0 else 0.25):
                parts.append(_pick(rng, _pick(rng, asides)))
        parts += self._dress(words, "closers", rng, amount)
        text = " ".join(parts).replace("{topic}", entry["name"])
        return self._contracted(text) if axes.get("formality") in ("slang", "casual") else text

    def _dress(self, words: Sequence[Mapping[str, Any]], slot: str, rng: np.random.Generator, amount: str) -> list[str]:
        """One wording of one axis, now and then of two where the style is not concise; the last axis is heard most."""
        lists = [w[slot] for w in words if w.get(slot)]
        if not lists:
            return []
        wanted = 2 if amount != "concise" and rng.random() < 0.35 else int(rng.random() < 0.9)
        weights = np.array([1.0] * (len(lists) - 1) + [2.0])
        order = rng.choice(len(lists), min(wanted, len(lists)), replace=False, p=weights / weights.sum())
        return [_pick(rng, lists[i]) for i in sorted(order, reverse=True)]

    def _contracted(self, text: str) -> str:
        for long, short in self.wordings["contractions"].items():
            text = re.sub(rf"\b{re.escape(long)}\b", short, text)
            text = re.sub(rf"\b{re.escape(long.capitalize())}\b", short.capitalize(), text)
        return text


def _pick(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    return options[int(rng.integers(len(options)))]


def _lowered(sentence: str) -> str:
    first, _, rest = sentence.partition(" ")
    return f"{first.lower()} {rest}" if first.lower() in _COMMON else sentence
