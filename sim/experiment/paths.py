"""Keys of a config that hold paths: marked once, in `sim/experiment/sections.py`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class PathKey:
    """The mark of a key whose value is, or may be, a file or folder.

    Attributes:
        words: values that mean something else, as the empty one always does.
        made: whether what lies there is made by the run; else only what is there is a path, anything else is a name.
        url: whether it may be a URL instead.
        workers: when the machines that do the work need what lies there.
    """

    words: tuple[str, ...] = ()
    made: bool = False
    url: bool = False
    workers: Literal["never", "at once", "when used"] = "at once"

    def is_path(self, value: str) -> bool:
        """Whether a value of the key can be a path."""
        return bool(value) and value not in self.words and not (self.url and "://" in value)


def there(value: str, root: Path = Path()) -> bool:
    """Whether a file or folder lies at a path, seen from a folder; nothing does at what can be no path."""
    try:
        return (root / Path(value).expanduser()).exists()
    except (OSError, RuntimeError, ValueError):  # too long, a user who is none, a zero byte
        return False
