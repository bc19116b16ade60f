"""Rows of JSON Lines files and of datasets, with their texts checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from sim.common.errors import UserError
from sim.common.names import has_controls
from sim.common.plain import unrepeated

KINDS = {
    b"\x1f\x8b": "a gzip file; unpack it first (gunzip)",
    b"PK\x03\x04": "a zip file; unpack it first",
    b"BZh": "a bzip2 file; unpack it first (bunzip2)",
    b"\xfd7zXZ": "an xz file; unpack it first (unxz)",
    b"\x28\xb5\x2f\xfd": "a zstd file; unpack it first (unzstd)",
    b"PAR1": "a Parquet file; write it as JSON Lines, or load its folder with corpus.source=hf",
    b"\xff\xfe": "text in UTF-16; write it in UTF-8",
    b"\xfe\xff": "text in UTF-16; write it in UTF-8",
    b"\x00\x00\xfe\xff": "text in UTF-32; write it in UTF-8",
}
"""What files of other kinds begin with."""


def json_lines(path: Path, required: tuple[str, ...], name: str = "", optional: str = "") -> Iterable[dict[str, str]]:
    """Rows of a JSON Lines file; under `name` a number will do, too, and under `optional` nothing.

    Raises: UserError with file and line number for anything that is not as it should.
    """
    empty = True
    for number, line in enumerate(re.split("\r\n|\r|\n", read_text(path)), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=unrepeated)
        except (ValueError, RecursionError) as error:  # also numbers too long and lists too deep for Python
            raise UserError(f"{path}:{number}: not a JSON object ({getattr(error, 'msg', error)}).") from error
        if not isinstance(row, dict):
            raise UserError(
                f"{path}:{number}: not a JSON object but a {type(row).__name__}; one object a line is expected."
            )
        yield checked(row, f"{path}:{number}", required, name, optional)
        empty = False
    if empty:
        raise UserError(f"{path}: no rows; one JSON object a line is expected.")


def checked(
    row: Mapping[str, object], where: str, required: tuple[str, ...], name: str, optional: str = ""
) -> dict[str, str]:
    """The texts of a row that are needed. Raises UserError naming where it is."""
    found = {}
    for key in (*required, *([optional] if optional else ())):
        value = row.get(key)
        if key == name and type(value) in (int, float) and math.isfinite(value):  # type: ignore[arg-type]
            value = str(value)  # a class, a number of stars
        if key == optional and value is None:
            value = ""
        if not isinstance(value, str):
            there = _described(value) if key in row else f"the row has {', '.join(map(repr, row)) or 'nothing'}"
            raise UserError(f"{where}: no text under {key!r}; {there}.")
        if key in required and not value.strip():
            raise UserError(f"{where}: no text under {key!r}; it is empty.")
        if fault := fault_of(value, is_name=key == name):
            raise UserError(f"{where}: the text under {key!r} has {fault}.")
        found[key] = value
    return found


def fault_of(text: str, is_name: bool) -> str:
    """What a text or a style's name has that it should not have; "" where it is sound."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return "half a character (a lone surrogate)"
    if "\0" in text:
        return "a NUL character"
    if is_name and has_controls(text):
        return "a control character, which no style's name may have"
    return ""


def _described(value: object) -> str:
    if value is None:
        return "it is null"
    return f"it is {value}" if isinstance(value, float) else f"it is a {type(value).__name__}"


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without byte order mark. Raises UserError that says what it is instead."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"corpus.path: cannot read {path}: {error.strerror or error}.") from error
    for beginning, kind in KINDS.items():
        if data.startswith(beginning):
            raise UserError(f"corpus.path: {path} is {kind}.")
    if b"\0" in data:
        raise UserError(
            f"corpus.path: {path} has NUL bytes; it is no text in UTF-8 (UTF-16, or a file of another kind?)."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"corpus.path: {path}:{line}: not in UTF-8 (byte {data[error.start]:#04x}; Latin-1 or Windows-1252?): "
            "iconv -f WINDOWS-1252 -t UTF-8 converts it."
        ) from error
