"""Errors that are the user's to mend: one clear line, exit status 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RunFailed(RuntimeError):  # noqa: N818 - it says what happened
    """The run cannot end well. Says which users and strategy, and why; what was finished is kept."""


class UserError(ValueError):
    """Says what is wrong, where, and what is allowed. The command line prints it as one line and exits with 2."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return ' Did you mean X?' for the closest allowed name, or the allowed names when none is close."""
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else f" Allowed: {', '.join(names)}."
