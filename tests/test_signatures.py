"""No public signature of the centre says `Any`: functions, methods, fields of classes and type aliases."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CENTRE = (
    "headstart",
    "devices",
    "strategies",
    *(f"sim/{room}" for room in "cloud worker serving ledger records experiment".split()),
)
MODULES = sorted(path for room in CENTRE for path in (ROOT / room).rglob("*.py"))
EXCEPTIONS = {
    "strategies/base.py": ["Asking"],  # the reply to a `yield` depends on what was yielded, which Python cannot say
    "sim/serving/requests/base.py": ["AnyHandler"],  # handlers of different requests have no common type but this
}


def public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def annotations(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.expr]]:
    """What is public in a module or class, by name, with what annotates it; aliases by what they stand for."""
    for node in body:
        match node:
            case ast.ClassDef(name=name) if public(name):
                yield from annotations(node.body, f"{name}.")
            case ast.FunctionDef(name=name, args=a, returns=returns) if public(name):
                every = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
                found = [returns, *(argument.annotation for argument in every if argument is not None)]
                yield from ((owner + name, annotation) for annotation in found if annotation is not None)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if public(name):
                yield owner + name, annotation
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if public(name):
                yield owner + name, value


def saying_any(source: str) -> list[str]:
    """The public names of a module whose annotation has `Any` in it, also where it is quoted."""
    found = annotations(ast.parse(source).body)
    return [name for name, annotation in found if re.search(r"\bAny\b", ast.unparse(annotation))]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_public_signature_says_any(path):
    allowed = EXCEPTIONS.get(str(path.relative_to(ROOT)), [])
    assert saying_any(path.read_text(encoding="utf-8")) == allowed


def test_the_check_finds_any():
    source = """
Alias = dict[str, Any]
_Private = Any
class Box:
    field: typing.Any
    _own: Any
    def open(self, *keys: Any, **how: "list[Any]") -> int: ...
    def __getitem__(self, index: Any) -> int: ...
    def _close(self) -> Any: ...
def free(a: int, /, b: int, *, c: Any) -> None: ...
def clean(a: int) -> float:
    inner: Any = a
    return inner
"""
    assert saying_any(source) == ["Alias", "Box.field", "Box.open", "Box.open", "Box.__getitem__", "free"]
