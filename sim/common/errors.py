"""Errors that are the user's to mend: one clear line, exit status 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMES = 40
"""Names that a message lists."""


class RunFailed(RuntimeError):  # noqa: N818 - it says what happened
    """The run cannot end well. Says which users and strategy, and why; what was finished is kept."""


class UserError(ValueError):
    """Says what is wrong, where, and what is allowed. The command line prints it as one line and exits with 2."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return ' Did you mean X?' for the closest allowed name; where none is close, the allowed names."""
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f" Did you mean {close[0]!r}?"
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    shown = (name if name.isprintable() else repr(name) for name in names[:MOST_NAMES])
    return f" Allowed: {', '.join(shown)}{more}."
