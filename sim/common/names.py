"""Names that others chose (styles, strategies, phones): what they may hold, and how they become names of files."""

from __future__ import annotations

import re
import unicodedata

from sim.common.cache import digest

LONGEST = 240
"""Bytes of a file's name before its ending; a file system takes 255."""


def has_controls(name: str) -> bool:
    """Whether there are control characters in a name, white space apart: a terminal would obey them."""
    return any(unicodedata.category(letter) == "Cc" and not letter.isspace() for letter in name)


def file_name(name: str, also: str = "(?!)") -> str:
    """A name as that of a file or folder: as it is, but for what file systems refuse or read as a path, as in URLs.

    Args:
        also: a pattern of what else is to be quoted.
    """
    quoted = re.sub(rf'[/\\:%*?"<>|\x00-\x1f]|^\.|{also}', lambda found: f"%{ord(found[0]):02X}", name)
    if len(quoted.encode()) <= LONGEST:
        return quoted
    return f"{quoted.encode()[: LONGEST - 20].decode(errors='ignore')}%{digest({'style': name})}"


def wrong_with(name: str) -> str:
    """Why a name cannot be a file's or folder's, in a folder of ours, on every file system; "": it can."""
    if not name or name in (".", ".."):
        return "it names no file of its own"
    if any(letter in "/\\" for letter in name):
        return "it holds a slash, and so a path"
    if any(letter < " " or "\ud800" <= letter <= "\udfff" for letter in name):
        return "it holds a control character, or half of one"
    return "it has more than 255 bytes" if len(name.encode()) > 255 else ""


def alike(name: str) -> str:
    """The same for names that some file system takes for one: they differ by case or Unicode form alone."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
