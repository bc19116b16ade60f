"""What arguments of requests may be: the checks that kinds of requests share, and the error that says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def wrong(
    what: object, name: str, value: object, expected: str, kind: type[TypeError | ValueError] = TypeError
) -> TypeError | ValueError:
    """The error for an argument that is not what is expected."""
    try:
        shown = repr(value)
    except Exception:  # a value of others, whose own code may fail
        shown = f"a {type(value).__name__}"
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return kind(f"{type(what).__name__}: {name} = {shown}: {expected}")


def is_number(value: object) -> bool:
    """Whether a value can stand for a number: also numpy's and torch's, which are no `float`; no truth value."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return False
    try:
        float(value)
    except (TypeError, ValueError, RuntimeError):  # an array of several
        return False
    return True


def is_sequence(value: object) -> bool:
    """Whether a value has a length and an order, as lists, tuples and arrays have."""
    has = all(hasattr(value, method) for method in ("__len__", "__iter__", "__getitem__"))
    return has and not isinstance(value, str | bytes | Mapping)


def check_strings(request: object, name: str, strings: Sequence[str]) -> None:
    if not is_sequence(strings):
        raise wrong(request, name, strings, "a list of strings is expected")
    for place, string in enumerate(strings):
        if not isinstance(string, str):
            raise wrong(request, f"{name}[{place}]", string, "a string is expected")


def check_count(request: object, name: str, count: int) -> None:
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise wrong(request, name, count, "a whole number, at least 1, is expected")
    if count < 1:
        raise wrong(request, name, count, "a whole number, at least 1, is expected", ValueError)
