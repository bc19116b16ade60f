"""Functions that can be called and not looked into: how a strategy is handed what it may have and nothing behind it.

Python shows what a function holds: closures, bound objects, arguments of partials. What `functools.lru_cache` wraps is
kept in C instead, and only its attribute `__wrapped__` leads to it, which is removed here. `gc`, stack frames and
imports still reach everything; nothing in Python can prevent that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


def sealed(function: Callable[[A], T]) -> Callable[[A], T]:
    """The same function of one argument, and nothing that leads to what it holds."""
    return _sealed(function, 0)


def sealed_value(make: Callable[[], T]) -> Callable[[], T]:
    """A function that gives a value, which is made when it is first asked for."""
    return _sealed(make, 1)


def _sealed(function: Callable[..., T], remembered: int) -> Callable[..., T]:
    wrapper = lru_cache(maxsize=remembered)(function)
    del wrapper.__wrapped__
    return wrapper
