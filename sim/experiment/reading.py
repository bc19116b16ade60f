"""Configs as they come from outside, TOML files and `key=value`, made trees of plain values.

What no config can mean is refused here, before anything is made of it: whoever takes a value from a tree need not fear
its depth, its size, or what cannot be written or sent.
"""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path

from sim.common.errors import UserError

LARGEST = 1 << 20
"""Bytes that a config's file may have."""
DEEPEST = 16
"""Tables and lists that may lie in each other."""
LONGEST = 1 << 16
"""Letters that a key or a text may have: a list of styles may be written as one text."""

Tree = dict[str, object]


def read_toml(path: Path) -> Tree:
    """The tree of a TOML file. A byte order mark and lines that end as on Windows are as good as none.

    Raises: UserError that names the file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"config: {path}: not a file.")  # a pipe would be waited for
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UserError(f"config: {path}: more than {LARGEST >> 20} MiB, which no config has.")
        tree = tomllib.loads(content.decode("utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"config: no file {str(path)!r}.") from None
    except RecursionError:
        raise UserError(f"config: {path}: nested too deep.") from None
    except UserError:
        raise
    except (OSError, ValueError) as error:  # bytes that are no UTF-8, TOML that is none, a number of 5,000 digits
        raise UserError(f"config: {path}: {error}.") from error
    try:
        check_values(tree)
    except UserError as error:
        raise UserError(f"config: {path}: {error}") from None
    return tree


def parse_override(text: str) -> tuple[str, object]:
    """Key and value of `key=value`; the value is TOML where it parses as such, else plain text. Raises UserError."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise UserError(f"override {short(text)}: expected key=value, for example population.users=100.")
    try:
        tree = tomllib.loads(f"value = {value}")
    except RecursionError:
        raise UserError(f"{short(key)}: {short(value)} is nested too deep.") from None
    except ValueError:
        tree = {"value": value}
    found = tree["value"] if len(tree) == 1 else value  # two lines may be two keys
    _check_text(key, "a key")
    check_values(found, key)
    return key, found


def flat(tree: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The values of a tree by dotted key; an empty table is a value."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def set_key(tree: Tree, dotted: str, value: object) -> None:
    """Set a.b.c in nested dictionaries. Raises UserError."""
    *path, last = dotted.split(".")
    if len(path) >= DEEPEST:
        raise UserError(f"{short(dotted)}: nested too deep.")
    for part in path:
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UserError(f"{short(dotted)}: {short(part)} is a value, not a section.")
        tree = inner
    tree[last] = value


def check_values(value: object, where: str = "", depth: int = 0) -> None:
    """Raise UserError, naming the key, for what cannot be part of a config."""
    if depth > DEEPEST:
        raise UserError(f"{where:.80}: nested too deep.")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_text(key, f"a key in {where}" if where else "a key")
            check_values(inner, f"{where}.{key}" if where else key, depth + 1)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            check_values(inner, f"{where}.{place}", depth + 1)
    elif isinstance(value, str):
        _check_text(value, where, allowed="\t\n\r")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise UserError(f"{where:.80} = {short(value)}: no number of 64 bits.")
    elif not isinstance(value, int | float | date | time):
        raise UserError(f"{where:.80} = {short(value)}: no value that a config can have.")


def _check_text(text: str, where: str, allowed: str = "") -> None:
    if len(text) > LONGEST:
        raise UserError(f"{where:.80} = {short(text)}: more than {LONGEST} letters.")
    if any((letter < " " and letter not in allowed) or "\ud800" <= letter <= "\udfff" for letter in text):
        raise UserError(f"{where:.80} = {short(text)}: holds a control character, or bytes that are no UTF-8.")


def short(value: object, most: int = 80) -> str:
    """A value for a message: on one line, and cut where it is long."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**most else "a number of many digits"
    return text if len(text) <= most else f"{text[: most - 3]}..."
