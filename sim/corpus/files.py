"""Readers: a folder in the XPerT format, any JSON Lines file, a Hugging Face dataset."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from sim.common.errors import UserError, nearest
from sim.corpus.base import Corpus, Part, Style, bucket
from strategies.base import Text

Row = tuple[str, str, str, bool]
"""(style, prompt, answer, held out?)"""


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
        names = sorted({style for style, _ in self._texts}, key=_natural)
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


def xpert_folder(path: Path, default: str, only: Sequence[str] = ()) -> RowCorpus:
    """A folder of `N_train.json` and `N_test.json`, JSON Lines with Context, Input, Response; N names the style.

    Raises: UserError naming file and line for a broken row, or the folder when it holds no such file.
    """
    files = sorted(path.glob("*_train.json"), key=lambda f: _natural(f.name))
    if not files:
        raise UserError(f"corpus.path: no N_train.json in {str(path)!r}.")

    def rows() -> Iterable[Row]:
        for train in files:
            style = train.name.removesuffix("_train.json")
            test = train.with_name(f"{style}_test.json")
            if not test.is_file():
                raise UserError(f"corpus.path: {test} is missing (each N_train.json needs its N_test.json).")
            for file, held_out in ((train, False), (test, True)):
                for row in json_lines(file, ("Context", "Response"), optional="Input"):
                    prompt = "\n".join(p for p in (row["Context"], row["Input"]) if p)
                    yield style, prompt, row["Response"], held_out

    return RowCorpus(rows(), default, str(path), only)


def jsonl(path: Path, fields: Mapping[str, str], default: str, held_out: float, only: Sequence[str] = ()) -> RowCorpus:
    """Any JSON Lines file. `fields` names the columns of prompt, answer and style; a share is held out by prompt."""
    rows = json_lines(path, tuple(fields.values()), name=fields["style"])
    return RowCorpus(_named(rows, fields, held_out), default, str(path), only)


def hub(name: str, fields: Mapping[str, str], default: str, held_out: float, only: Sequence[str] = ()) -> RowCorpus:
    """A Hugging Face dataset by name, or a folder that `datasets` can load (needs the extra `headstart[hub]`)."""
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise UserError("corpus.source: 'hf' needs the extra: pip install 'headstart[hub]'.") from error
    try:
        rows = load_dataset(name, split="train")
    except Exception as error:
        raise UserError(f"corpus.path: cannot load dataset {name!r}: {str(error).splitlines()[0]}") from error
    missing = [f for f in fields.values() if f not in rows.column_names]
    if missing:
        raise UserError(f"corpus.fields: {name!r} has no column {missing[0]!r}; it has {', '.join(rows.column_names)}.")
    checked = (_checked(r, f"{name}, row {i}", tuple(fields.values()), fields["style"]) for i, r in enumerate(rows))
    return RowCorpus(_named(checked, fields, held_out), default, name, only)


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
        yield _checked(row, f"{path}:{number}", required, name, optional)
        empty = False
    if empty:
        raise UserError(f"{path}: no rows; one JSON object a line is expected.")


def _checked(
    row: Mapping[str, Any], where: str, required: tuple[str, ...], name: str, optional: str = ""
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


def _named(rows: Iterable[Mapping[str, str]], fields: Mapping[str, str], held_out: float) -> Iterable[Row]:
    for row in rows:
        prompt = row[fields["prompt"]]
        share = bucket(f"held out {prompt}", 1000) / 1000
        yield row[fields["style"]], prompt, row[fields["answer"]], share < held_out


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"(\d+)", name) if p)
