"""Corpora that are read whole, row by row: what the readers of files and datasets share."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

import numpy as np

from sim.common.errors import UserError, nearest
from sim.corpus.base import Corpus, Part, Style, bucket
from sim.experiment.sections import CorpusSection
from strategies.base import Text

Row = tuple[str, str, str, bool]
"""(style, prompt, answer, held out?)"""


@dataclass(frozen=True)
class Columns:
    """The columns that hold prompt, answer and style."""

    prompt: str
    answer: str
    style: str

    @classmethod
    def of(cls, section: CorpusSection) -> Self:
        return cls(section.prompt, section.answer, section.style)

    @property
    def names(self) -> tuple[str, str, str]:
        return self.prompt, self.answer, self.style

    def rows(self, read: Iterable[Mapping[str, str]], held_out: float) -> Iterable[Row]:
        """What was read as rows, of which a share is held out by prompt."""
        for row in read:
            prompt = row[self.prompt]
            share = bucket(f"held out {prompt}", 1000) / 1000
            yield row[self.style], prompt, row[self.answer], share < held_out


class RowCorpus(Corpus):
    """A finite corpus. Rows that are not held out are split by prompt between pLLMs and users.

    `only`: rows of other styles, the default apart, are left out; empty: none are.
    """

    def __init__(self, rows: Iterable[Row], default: str, source: str, only: Sequence[str] = ()) -> None:
        self.default, self.source = default, source
        texts: dict[tuple[str, Part], dict[str, Text]] = defaultdict(dict)
        digest = hashlib.sha256(f"default {default}\n".encode())
        left_out: set[str] = set()
        for style, prompt, answer, held_out in rows:
            if only and style != default and style not in only:
                left_out.add(style)
                continue
            part: Part = "test" if held_out else "pool" if bucket(prompt, 2) else "user"
            texts[style, part].setdefault(prompt, Text(prompt, answer))
            digest.update(f"{style}\0{prompt}\0{answer}\0{held_out}\n".encode())
        self._texts = {key: list(by_prompt.values()) for key, by_prompt in texts.items()}
        self._defaults = texts[default, "pool"]
        self._digest = digest.hexdigest()
        names = sorted({style for style, _ in self._texts}, key=in_natural_order)
        if default not in names:
            raise UserError(f"corpus.default: no style {default!r} in {source}; it has {', '.join(names)}.")
        self.styles = {name: Style(name) for name in names if name != default}
        for name in only:
            if name not in self.styles:
                raise UserError(f"corpus.styles: no style {name!r} in {source}.{nearest(name, left_out)}")
        if not self.styles:
            raise UserError(f"corpus: {source} has no style besides the default {default!r}.")

    def draw(self, style: str, part: Part, count: int, rng: np.random.Generator) -> list[Text]:
        self.need(style, part, count)
        have = self._texts.get((style, part), [])
        return [have[i] for i in rng.choice(len(have), count, replace=False)]

    def available(self, style: str, part: Part) -> int:
        return len(self._texts.get((style, part), []))

    def answer_to(self, prompt: str, rng: np.random.Generator) -> Text | None:
        return self._defaults.get(prompt)

    def fingerprint(self) -> str:
        return self._digest


def json_lines(path: Path, required: tuple[str, ...], name: str = "", optional: str = "") -> Iterable[dict[str, str]]:
    """Rows of a JSON Lines file; under `name` a number will do, too, and under `optional` nothing.

    Raises: UserError with file and line number for anything that is not as it should.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"corpus.path: cannot read {path}: {error}.") from error
    empty = True
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:  # also numbers too long and lists too deep for Python
            raise UserError(f"{path}:{number}: not a JSON object ({getattr(error, 'msg', error)}).") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}:{number}: not a JSON object.")
        yield checked(row, f"{path}:{number}", required, name, optional)
        empty = False
    if empty:
        raise UserError(f"{path}: no rows; one JSON object a line is expected.")


def checked(
    row: Mapping[str, object], where: str, required: tuple[str, ...], name: str, optional: str = ""
) -> dict[str, str]:
    """The texts of a row that are needed. Raises UserError naming where it is."""
    found = {key: row.get(key) for key in required}
    if type(found.get(name)) in (int, float):  # a class, a number of stars
        found[name] = str(found[name])
    if optional:
        found[optional] = row.get(optional) or ""
    for key, text in found.items():
        if not isinstance(text, str) or (key in required and not text.strip()):
            raise UserError(f"{where}: no text under {key!r}; the row has {', '.join(map(repr, row)) or 'nothing'}.")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UserError(f"{where}: the text under {key!r} has half a character (a lone surrogate).") from None
    return cast(dict[str, str], found)


def in_natural_order(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts names as a reader would: style 9 before style 10."""
    return tuple((int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name) if p)
