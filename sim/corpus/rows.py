"""Corpora that are read whole, row by row: what the readers of files and datasets share."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Self

import numpy as np

from sim.common.errors import UserError, nearest
from sim.corpus.base import Corpus, Part, Style, bucket
from sim.corpus.names import in_natural_order, look_alike
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
    """A finite corpus, split by prompt: all answers to a prompt in a style are held out, the pLLMs' or the users'.

    Every row is used but those that repeat another one word for word, and those whose prompt is held out in another
    row of their style; `remarks` say how many, and how many prompts are held out in another style only.

    `only`: rows of other styles, the default apart, are left out; empty: none are.
    """

    def __init__(self, rows: Iterable[Row], default: str, source: str, only: Sequence[str] = ()) -> None:
        self.default, self.source = default, source
        digest = hashlib.sha256(f"default {default}\n".encode())
        wanted: list[Row] = []
        left_out: set[str] = set()
        for style, prompt, answer, held_out in rows:
            if only and style != default and style not in only:
                left_out.add(style)
                continue
            wanted.append((style, prompt, answer, held_out))
            digest.update(f"{style}\0{prompt}\0{answer}\0{held_out}\n".encode())
        names = sorted({style for style, *_ in wanted}, key=in_natural_order)
        self._check_names(names, left_out, only)
        self.styles = {name: Style(name) for name in names if name != default}
        self._keys = _digests(wanted)
        self._split(wanted)
        if self._contested or any(len(answers) > 1 for texts in self._texts.values() for answers in texts):
            digest.update(b"all answers, held-out prompts apart\n")  # such corpora were once split in another way
        self._digest = digest.hexdigest()

    def _check_names(self, names: Sequence[str], left_out: set[str], only: Sequence[str]) -> None:
        default, source = self.default, self.source
        if default not in names:
            raise UserError(f"corpus.default: no style {default!r} in {source}.{nearest(default, names)}")
        for name in only:
            if name not in names or name == default:
                raise UserError(f"corpus.styles: no style {name!r} in {source}.{nearest(name, left_out)}")
        if len(names) == 1:
            raise UserError(f"corpus: {source} has no style besides the default {default!r}.")

    def _split(self, rows: Sequence[Row]) -> None:
        """Deal the rows out over the parts, and count what is dropped."""
        held = {(style, prompt) for style, prompt, _, held_out in rows if held_out}
        anywhere = {prompt for _, prompt in held}
        texts: dict[tuple[str, Part], dict[str, dict[str, Text]]] = defaultdict(lambda: defaultdict(dict))
        self._read = Counter(style for style, *_ in rows)
        self._repeated: Counter[str] = Counter()
        self._contested: Counter[str] = Counter()
        self._elsewhere = 0
        for style, prompt, answer, held_out in rows:
            part: Part = "test" if held_out else "pool" if bucket(prompt, 2) else "user"
            if (style, prompt) in held and not held_out:
                self._contested[style] += 1
            elif answer in (answers := texts[style, part][prompt]):
                self._repeated[style] += 1
            else:
                answers[answer] = Text(prompt, answer)
                self._elsewhere += not held_out and prompt in anywhere
        self._texts = {key: [list(answers.values()) for answers in some.values()] for key, some in texts.items()}
        self._count = {key: sum(map(len, some)) for key, some in self._texts.items()}
        self._defaults = {answers[0].prompt: answers for answers in self._texts.get((self.default, "pool"), [])}

    @property
    def remarks(self) -> tuple[str, ...]:
        read = self._read.total()
        several = sum(len(answers) for texts in self._texts.values() for answers in texts if len(answers) > 1)
        counted = {
            "repeat another row of their style word for word, and are used once": self._repeated.total(),
            "are not used, for their prompt is held out in another row of their style": self._contested.total(),
            "have a prompt that is held out in another style; they are used": self._elsewhere,
            "have the same prompt as another row of their style; all are used, in one part": several,
        }
        said = [f"{self.source}: {count:,} of {read:,} rows {what}." for what, count in counted.items() if count]
        for names in look_alike([self.default, *self.styles]):
            listed = ", ".join(map(repr, names))
            said.append(
                f"{self.source}: the styles {listed} differ in case, spaces or Unicode form alone; they are kept apart."
            )
        return tuple(said)

    def draw(self, style: str, part: Part, count: int, rng: np.random.Generator) -> list[Text]:
        self.need(style, part, count)
        prompts = self._texts.get((style, part), [])
        if count <= len(prompts):
            return [_one_of(prompts[i], rng) for i in rng.choice(len(prompts), count, replace=False)]
        drawn: list[Text] = []
        for some in zip_longest(*([answers[i] for i in rng.permutation(len(answers))] for answers in prompts)):
            texts = [text for text in some if text is not None]  # each prompt's next answer, where it has one
            most = min(len(texts), count - len(drawn))
            drawn += [texts[i] for i in rng.choice(len(texts), most, replace=False)]
        return drawn

    def available(self, style: str, part: Part) -> int:
        return self._count.get((style, part), 0)

    def dropped(self, style: str) -> Mapping[str, int]:
        return {"repeat others": self._repeated[style], "have a prompt that is held out": self._contested[style]}

    def stock(self, style: str) -> str:
        at = {part: self.available(style, part) for part in ("pool", "user", "test")}
        parts = [f"{at['test']:,} are held out", f"{at['pool']:,} are for pLLMs and {at['user']:,} for users"]
        parts += [f"{count:,} {what}" for what, count in self.dropped(style).items() if count]
        return f"of its {self._read[style]:,} rows of that style {', '.join(parts)}"

    def answer_to(self, prompt: str, rng: np.random.Generator) -> Text | None:
        return _one_of(self._defaults[prompt], rng) if prompt in self._defaults else None

    def key(self, style: str) -> str:
        """A hash of the style's rows, for what a style is called decides nothing; the name of one without rows."""
        return self._keys.get(style, style)

    def fingerprint(self) -> str:
        return self._digest


def _digests(rows: Iterable[Row]) -> dict[str, str]:
    """A hash of the rows of each style, by its name."""
    found: dict[str, Any] = defaultdict(hashlib.sha256)
    for style, prompt, answer, held_out in rows:
        found[style].update(f"{prompt}\0{answer}\0{held_out}\n".encode())
    return {style: digest.hexdigest()[:16] for style, digest in found.items()}


def _one_of(answers: Sequence[Text], rng: np.random.Generator) -> Text:
    return answers[0] if len(answers) == 1 else answers[int(rng.integers(len(answers)))]
