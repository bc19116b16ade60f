"""What went wrong in a rehearsal: what, where in the strategy's own code, and whether a run would surely fail of it."""

from __future__ import annotations

import inspect
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.common.errors import UserError
from sim.experiment.shipped import ROOT
from sim.worker.failures import reason
from strategies.base import Strategy

INTERFACE = tuple(str(ROOT / "strategies" / f"{name}.py") for name in ("arguments", "base", "requests"))
"""Where arguments of requests, offers and choices are refused."""
OURS = (str(ROOT / "sim"), *INTERFACE)
OTHERS = ("<", *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
"""How the paths of code begin that the author of a strategy has not written: Python's and that of packages."""
FITTING = str(ROOT / "sim" / "llm" / "adapters")
"""Where an offer's adapters are refused that do not fit the LLM: they may fit that of the run."""
Line = tuple[str, int]


@dataclass(frozen=True)
class Fault:
    """An error of a strategy in a rehearsal.

    `sure`: it would come in any run, whatever LLMs answer: a request, offer or choice that nothing can be meant by, or
    a name that there is not. Anything else may have come of the small LLM's replies.
    """

    strategy: str
    said: str
    where: str
    sure: bool

    def __str__(self) -> str:
        return f"strategies: {self.strategy!r}: {self.said}" + (f" ({self.where})" if self.where else "")


def fault_of(name: str, strategy: Strategy, error: BaseException, hook: str, at: Line | None = None) -> Fault:
    """What an error in one of a strategy's hooks is.

    Args:
        name: what the config calls the strategy.
        hook: the name of the method that was called.
        at: where in its code a phone waits for the reply to what it asked last.
    """
    frames = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    own = [frame for frame in frames if _is_own(frame[0], strategy)]
    where = own[-1] if own else at or _definition(strategy, hook)
    said = str(error) if isinstance(error, UserError) else reason(error)
    said = said.removeprefix("strategies: ").rstrip(".")
    return Fault(name, said, _shown(where), _sure(error, frames, bool(own) and frames[-1] == own[-1]))


def _sure(error: BaseException, frames: Sequence[Line], in_own_code: bool) -> bool:
    kind, last = type(error), frames[-1][0] if frames else ""
    if "NoneType" in str(error):  # of a search without result, in what an LLM wrote
        return False
    if isinstance(error, UserError):
        return not last.startswith(FITTING)
    if last in INTERFACE:
        return True
    if last.startswith(OURS[0]):  # what was yielded or returned is nothing, or not this strategy's to ask
        return kind in (TypeError, LookupError, PermissionError)
    return in_own_code and kind in (TypeError, AttributeError, NameError)


def _is_own(file: str, strategy: Strategy) -> bool:
    if file.startswith(OURS):
        return False
    return file in _files(strategy) or not file.startswith(OTHERS)


def _files(strategy: Strategy) -> set[str]:
    """The files of a strategy's class and of those that it is made of."""
    found = set()
    for kind in type(strategy).__mro__:
        try:
            found.add(inspect.getfile(kind))
        except (OSError, TypeError):  # built in, or typed in
            continue
    return found - set(INTERFACE)


def _definition(strategy: Strategy, hook: str) -> Line | None:
    """Where a hook begins, if it has Python's code."""
    method: Callable[..., object] = getattr(type(strategy), hook)
    code = getattr(inspect.unwrap(method), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else None


def _shown(line: Line | None) -> str:
    """A line of code as `file:number`, the file as seen from here where it lies below."""
    if line is None:
        return ""
    path, here = Path(line[0]), Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{line[1]}"
