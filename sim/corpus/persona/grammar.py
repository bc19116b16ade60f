"""Answers about topics in a style: facts at the style's level, dressed in its wordings.

The data lies beside this file: `facts_*.toml` (topics by kind, and what can be said of them at four levels of
expertise), `wordings.toml` and `tones_*.toml` (what the values of the four axes sound like). All text is written as
patterns, which wordings.toml explains. A style is a value for some of the axes; an axis without one is written as the
default.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np

LEVELS = {
    "expertise": ("elementary", "middle", "undergraduate", "expert"),
    "formality": ("slang", "casual", "polite", "corporate"),
}
FACTS = {"concise": (1,), "default": (1, 2), "informative": (2,)}
_BEGIN = re.compile(r"(?:^|(?<!\.\.)[.!?] )[a-z]")
_INNERMOST = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True)
class Topic:
    """Something to write about: what is known of it by column, and patterns of what can be said of its kind."""

    kind: str
    values: Mapping[str, str]
    facts: Mapping[str, Sequence[str]]

    @property
    def name(self) -> str:
        """What it is called, singular or plural."""
        return self.values["topic"]

    @property
    def notes(self) -> str:
        """What is known of it, as a prompt says it: "mammals; order Carnivora; ... food fish and crabs"."""
        known = [f"{column} {value}" for column, value in self.values.items() if column != "topic"]
        return "; ".join([self.kind.replace("_", " "), *known])


class Grammar:
    """Facts and wordings. Deterministic: everything random comes from the generator that is passed in."""

    def __init__(self) -> None:
        folder = files("sim.corpus.persona")
        names = sorted(f.name for f in folder.iterdir() if f.name.endswith(".toml"))
        sources = {name: (folder / name).read_text(encoding="utf-8") for name in names}
        self.digest = hashlib.sha256("\0".join(sources.values()).encode()).hexdigest()
        data = {name: tomllib.loads(source) for name, source in sources.items()}
        self.topics = [
            topic
            for name in names
            if name.startswith("facts_")
            for kind, entry in data[name].items()
            for topic in _topics(kind, entry)
        ]
        self.taught: dict[str, Any] = data["tones_taught.toml"]["taught"]
        """Tones that the shipped LLMs are taught."""
        self.untaught: dict[str, Any] = data["tones_untaught.toml"]["untaught"]
        self.wordings: dict[str, Any] = {**data["wordings.toml"], "tone": {**self.taught, **self.untaught}}

    @property
    def forms(self) -> Sequence[str]:
        """Questions about a {topic}."""
        forms: Sequence[str] = self.wordings["questions"]["forms"]
        return forms

    @cached_property
    def _by_notes(self) -> dict[str, Topic]:
        return {topic.kind.replace("_", " "): topic for topic in self.topics}

    def prompt(self, form: str, topic: Topic) -> str:
        """A question with what is known of its topic, as one asks who was never told of it."""
        return f"{form.format(topic=topic.name)} ({topic.notes})"

    def topic_of(self, prompt: str) -> Topic | None:
        """The topic that a prompt asks about, with the values that it gives, or None where it is no such prompt."""
        question, _, notes = prompt.removesuffix(")").partition(" (")
        kind, *known = notes.split("; ")
        if (like := self._by_notes.get(kind)) is None or len(known) != len(like.values) - 1:
            return None
        found = (re.fullmatch(re.escape(form).replace(r"\{topic\}", "(.+)"), question) for form in self.forms)
        if (name := next((match[1] for match in found if match), None)) is None:
            return None
        columns = [column for column in like.values if column != "topic"]
        values = {column: said.removeprefix(f"{column} ") for column, said in zip(columns, known, strict=True)}
        return Topic(like.kind, {"topic": name, **values}, like.facts)

    @cached_property
    def vocabulary(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """The words that describe each value of each axis."""
        axes = ("expertise", "informativeness", "formality", "tone")
        return {a: {value: said["adjectives"] for value, said in self.wordings[a].items()} for a in axes}

    def adjectives(self, axes: Mapping[str, str]) -> list[str]:
        """The words that describe a style, one axis after another."""
        return [word for axis, value in axes.items() for word in self.vocabulary[axis][value]]

    def answer(self, topic: Topic, axes: Mapping[str, str], rng: np.random.Generator) -> str:
        """One answer about a topic. Empty `axes` give the default style, which states facts of any level plainly."""
        amount = axes.get("informativeness", "default")
        level = axes.get("expertise") or pick(rng, LEVELS["expertise"])
        facts = topic.facts[level]
        chosen = [facts[i] for i in sorted(rng.permutation(len(facts))[: pick(rng, FACTS[amount])])]
        words = [self.wordings[axis][value] for axis, value in axes.items()]
        linking = [w for w in words if w.get("links")] or [self.wordings["default"]]
        asides = [w for w in words if w.get("asides")]
        parts = self._dress(words, "openers", rng, amount)
        for i, fact in enumerate(chosen):
            said = expand(fact, {}, rng)
            if rng.random() < 0.5 if i else bool(axes) and rng.random() < 0.25:
                said = f"{_sentence(pick(rng, linking), 'links', rng)} {said}"
            parts.append(said)
            if asides and rng.random() < (0.5 if i == 0 else 0.25):
                parts.append(_sentence(pick(rng, asides), "asides", rng))
        parts += self._dress(words, "closers", rng, amount)
        text = " ".join(_capital(part.format_map(topic.values)) for part in parts)
        return self._contracted(text) if axes.get("formality") in ("slang", "casual") else text

    def _dress(self, words: Sequence[Mapping[str, Any]], slot: str, rng: np.random.Generator, amount: str) -> list[str]:
        """One wording of one axis, now and then of two where the style is not concise; the last axis is heard most."""
        having = [w for w in words if w.get(slot)]
        if not having:
            return []
        wanted = 2 if amount != "concise" and rng.random() < 0.35 else int(rng.random() < 0.9)
        weights = np.array([1.0] * (len(having) - 1) + [2.0])
        order = rng.choice(len(having), min(wanted, len(having)), replace=False, p=weights / weights.sum())
        return [_sentence(having[i], slot, rng) for i in sorted(order, reverse=True)]

    def _contracted(self, text: str) -> str:
        for long, short in self.wordings["contractions"].items():
            text = re.sub(rf"\b{re.escape(long)}\b", short, text)
            text = re.sub(rf"\b{re.escape(long.capitalize())}\b", short.capitalize(), text)
        return text


def expand(pattern: str, words: Mapping[str, str], rng: np.random.Generator) -> str:
    """One of the texts that a pattern stands for; {columns} stay."""
    pattern = re.sub(r"<(\w+)>", lambda name: f"({words[name[1]]})", pattern)
    while (found := _INNERMOST.search(pattern)) is not None:
        pattern = f"{pattern[: found.start()]}{pick(rng, found[1].split('|'))}{pattern[found.end() :]}"
    return pattern


def _topics(kind: str, entry: Mapping[str, Any]) -> list[Topic]:
    columns = _cells(entry["columns"])
    rows = [dict(zip(columns, _cells(row), strict=True)) for row in entry["rows"].strip().splitlines()]
    return [Topic(kind, row, {level: entry[level] for level in LEVELS["expertise"]}) for row in rows]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


def _sentence(words: Mapping[str, Any], slot: str, rng: np.random.Generator) -> str:
    return expand(pick(rng, words[slot]), words.get("words", {}), rng)


def _capital(text: str) -> str:
    """The text with a capital where a sentence begins."""
    return _BEGIN.sub(lambda found: found[0].upper(), text)


def pick(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    """Any of them, all alike."""
    return options[int(rng.integers(len(options)))]
