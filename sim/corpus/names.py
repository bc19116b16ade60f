"""Names of styles: their order, and which of them a reader would take for the same."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

Order = tuple[tuple[tuple[int, str], ...], str]


def in_natural_order(name: str) -> Order:
    """A key that sorts names as a reader would, style 9 before style 10, and no two of them alike.

    Numbers are runs of decimal digits of any script; circled and raised ones are text. They are compared by length and
    digits, for they may be longer than `int` reads.
    """
    parts = tuple(_number(part) if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part)
    return parts, name


def _number(digits: str) -> tuple[int, str]:
    value = "".join(str(unicodedata.decimal(digit)) for digit in digits).lstrip("0")
    return len(value), value


def look_alike(names: Iterable[str]) -> list[Sequence[str]]:
    """The groups of names that differ only in case, spaces or Unicode form, or in characters that cannot be seen."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names, key=in_natural_order):
        groups[_folded(name)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _folded(name: str) -> str:
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", " ".join(seen.split()).casefold())
