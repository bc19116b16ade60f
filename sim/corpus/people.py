"""Real people as users: a folder with one file for each, beside any corpus, of which the pool is made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from sim.common.errors import UserError
from sim.corpus.base import Corpus, Part, Style
from sim.corpus.lines import fault_of, json_lines, read_text
from sim.corpus.names import in_natural_order
from sim.experiment.sections import CorpusSection
from strategies.base import Text

CHAT, PROSE = ".jsonl", ".txt"


@dataclass(frozen=True)
class Person:
    """What someone wrote, in the order of the file: what they have, and what is held out, which came last.

    `dropped` counts rows that are not used, by why not.
    """

    user: Sequence[Text]
    test: Sequence[Text]
    dropped: Mapping[str, int]

    @classmethod
    def of(cls, rows: Sequence[Text], held_out: float) -> Person:
        """Rows in order, of which the last share is held out. No prompt and no answer is on both sides."""
        count = max(1, round(held_out * len(rows)))
        before, after = rows[: len(rows) - count], list(dict.fromkeys(rows[len(rows) - count :]))
        prompts, answers = {text.prompt for text in after}, {text.answer for text in after}
        own = list(dict.fromkeys(before))
        user = [text for text in own if text.prompt not in prompts and text.answer not in answers]
        repeated = len(rows) - len(own) - len(after)
        return cls(user, after, {"repeat others": repeated, "are held out in another row": len(own) - len(user)})


class PeopleCorpus(Corpus):
    """A corpus, and people besides: each a style that no pLLM has, and nobody knows how far it is from others.

    Args:
        pool: makes pLLMs, probes and built-in LLMs, to which the people are unknown.
        people: by name.
        folder: where they come from, for messages. digest: of all that they wrote.
    """

    def __init__(self, pool: Corpus, people: Mapping[str, Person], folder: Path, digest: str, unread: int = 0) -> None:
        for name in people:
            if name in (*pool.styles, pool.default):
                raise UserError(
                    f"corpus.people: {name!r} in {str(folder)!r} is a style of the corpus; rename the file."
                )
        self._pool, self._people, self._folder, self._digest, self._unread = pool, people, folder, digest, unread
        self.built_in, self.default = pool.built_in, pool.default
        self.levels, self.vocabulary = pool.levels, pool.vocabulary
        self.styles = {**pool.styles, **{name: Style(name) for name in people}}
        self.source = f"{pool.source} with the people in {folder}"

    @property
    def people(self) -> Sequence[str]:
        return list(self._people)

    @property
    def usual(self) -> Sequence[str]:
        return self._pool.usual

    @property
    def taught(self) -> list[str]:
        return self._pool.taught

    @property
    def remarks(self) -> tuple[str, ...]:
        counts = {
            what: sum(person.dropped[what] for person in self._people.values())
            for what in ("repeat others", "are held out in another row")
        }
        said = [f"{self._folder}: {count:,} rows {what}; not used." for what, count in counts.items() if count]
        if self._unread:
            said.append(f"{self._folder}: {self._unread} entries are neither {CHAT} nor {PROSE}; not read.")
        return (*self._pool.remarks, *said)

    def draw(self, style: str, part: Part, count: int, rng: np.random.Generator) -> list[Text]:
        if style not in self._people:
            return self._pool.draw(style, part, count, rng)
        self.need(style, part, count)
        texts = self._texts(style, part)
        return [texts[i] for i in rng.choice(len(texts), count, replace=False)]

    def available(self, style: str, part: Part) -> int:
        return len(self._texts(style, part)) if style in self._people else self._pool.available(style, part)

    def dropped(self, style: str) -> Mapping[str, int]:
        return self._people[style].dropped if style in self._people else self._pool.dropped(style)

    def stock(self, style: str) -> str:
        if style not in self._people:
            return self._pool.stock(style)
        person = self._people[style]
        return (
            f"of this person's texts the last {len(person.test):,} are held out, {len(person.user):,} are before them"
        )

    def answer_to(self, prompt: str, rng: np.random.Generator) -> Text | None:
        return self._pool.answer_to(prompt, rng)

    def practise(self, style: str, count: int, rng: np.random.Generator) -> list[Text]:
        return self._pool.practise(style, count, rng)

    def lesson(self, rng: np.random.Generator) -> Style:
        return self._pool.lesson(rng)

    def probes(self, count: int, rng: np.random.Generator) -> list[str]:
        return self._pool.probes(count, rng)

    def key(self, style: str) -> str:
        return style if style in self._people else self._pool.key(style)

    @cached_property
    def _whole(self) -> str:
        return hashlib.sha256(f"{self._pool.fingerprint()}\n{self._digest}".encode()).hexdigest()

    def fingerprint(self) -> str:
        return self._whole

    def pool_fingerprint(self) -> str:
        return self._pool.pool_fingerprint()

    def _texts(self, style: str, part: Part) -> Sequence[Text]:
        person = self._people[style]
        return {"pool": (), "user": person.user, "test": person.test}[part]


def with_people(pool: Corpus, section: CorpusSection) -> PeopleCorpus:
    """A corpus with the people of `corpus.people`, in the natural order of their files' names.

    `NAME.jsonl` has an object a line with the columns `corpus.prompt` and `corpus.answer`, oldest first: what they were
    asked, and what they wrote. `NAME.txt` is prose: each paragraph answers the one before it.

    Raises: UserError naming file and line.
    """
    folder = Path(section.people)
    if not folder.is_dir():
        raise UserError(f"corpus.people: no folder {section.people!r}.")
    entries = sorted(folder.iterdir(), key=lambda path: in_natural_order(path.name))
    files = [path for path in entries if path.is_file() and path.suffix in (CHAT, PROSE)]
    if not files:
        raise UserError(f"corpus.people: no {CHAT} and no {PROSE} in {section.people!r}, one for each person.")
    people: dict[str, Person] = {}
    digest = hashlib.sha256(f"{section.held_out}\n".encode())
    for path in files:
        name = path.stem
        if fault := fault_of(name, is_name=True):
            raise UserError(f"corpus.people: the file name {path.name!r} has {fault}.")
        if name in people:
            raise UserError(f"corpus.people: {name!r} in {section.people!r} has two files.")
        rows = _chat(path, section) if path.suffix == CHAT else _prose(path)
        if len(rows) < 2:
            raise UserError(
                f"corpus.people: {path} has {len(rows)} texts; one to learn from and one to hold out are needed."
            )
        people[name] = Person.of(rows, section.held_out)
        digest.update(repr((name, [(text.prompt, text.answer) for text in rows])).encode())
    return PeopleCorpus(pool, people, folder, digest.hexdigest(), len(entries) - len(files))


def _chat(path: Path, section: CorpusSection) -> list[Text]:
    rows = json_lines(path, (section.prompt, section.answer))
    return [Text(row[section.prompt], row[section.answer]) for row in rows]


def _prose(path: Path) -> list[Text]:
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    parts = [part.strip() for part in re.split(r"\n\s*\n", text)]
    paragraphs = [part for part in parts if part]
    for number, part in enumerate(paragraphs, start=1):
        if fault := fault_of(part, is_name=False):
            raise UserError(f"corpus.people: {path}, paragraph {number} has {fault}.")
    return [Text(before, after) for before, after in pairwise(paragraphs)]
