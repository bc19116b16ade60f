"""What Python objects lead to: attributes, bound objects, closures, defaults, containers, frames of generators.

Modules, classes and what functions see as globals are not followed: an import reaches those as well.
"""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel

LEAVES = (str, bytes, int, float, complex, bool, type(None), type, types.ModuleType, np.generic, np.dtype, Path)
"""What leads nowhere; properties of numpy's numbers make ever new numbers."""
MOST = 200_000


def reachable(*roots: object) -> list[object]:
    """Every object that can be got hold of from some, themselves included."""
    seen: dict[int, object] = {}
    waiting = deque(roots)
    while waiting:
        found = waiting.popleft()
        if id(found) in seen:
            continue
        seen[id(found)] = found
        assert len(seen) < MOST, "this leads to everything"
        if not isinstance(found, LEAVES):
            waiting.extend(_parts(found))
    return list(seen.values())


def _parts(found: object) -> Iterator[object]:
    if isinstance(found, Mapping):
        yield from found.keys()
        yield from found.values()
    elif isinstance(found, list | tuple | set | frozenset | deque):
        yield from found
    elif isinstance(found, np.ndarray):
        yield found.base
    elif isinstance(found, types.FunctionType):
        yield from (cell.cell_contents for cell in found.__closure__ or () if _filled(cell))
        yield from found.__defaults__ or ()
        yield from (found.__kwdefaults__ or {}).values()
    elif isinstance(found, types.MethodType | types.BuiltinMethodType | types.MethodWrapperType):
        yield found.__self__
        yield getattr(found, "__func__", None)
    elif isinstance(found, functools.partial):
        yield from (found.func, found.args, found.keywords)
    elif isinstance(found, types.GeneratorType) and found.gi_frame is not None:
        yield from found.gi_frame.f_locals.values()
    if isinstance(found, BaseException):
        yield from (found.__cause__, found.__context__, found.args, *_locals(found))
    yield getattr(found, "__dict__", None)
    yield getattr(found, "__wrapped__", None)
    for name in dir(found):  # properties, slots and methods
        if not name.startswith("__") and not isinstance(found, np.ndarray | BaseModel):
            try:
                yield getattr(found, name)
            except Exception:
                continue
    if type(found).__module__ != "builtins":  # tuples reduce to ever new tuples
        try:
            yield found.__reduce_ex__(4)
        except Exception:
            return


def _locals(error: BaseException) -> Iterator[object]:
    traceback = error.__traceback__
    while traceback is not None:
        yield from traceback.tb_frame.f_locals.values()
        traceback = traceback.tb_next


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - raises where it is empty
    except ValueError:
        return False
    return True
