"""docs/tutorial.ipynb: it says only what there is, and runs from an empty folder to its figure."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headstart
from docs.make.pages import DOCS
from sim.experiment.config import Config
from sim.experiment.reading import flat

TUTORIAL = DOCS / "tutorial.ipynb"
ROOT = DOCS.parent


def cells(kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(TUTORIAL.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def tree() -> ast.Module:
    """All code, as one module; a cell that does not parse raises."""
    return ast.Module([node for cell in cells("code") for node in ast.parse("".join(cell["source"])).body], [])


def calls(name: str) -> Iterator[ast.Call]:
    """Calls of `headstart.NAME`."""
    for node in ast.walk(tree()):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"headstart.{name}":
            yield node


def test_outputs_are_left_out() -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells("code"))


def test_what_it_imports_is_there_and_of_headstart_only_the_front_door() -> None:
    modules = [tree(), *map(ast.parse, written())]
    for node in (node for module in modules for node in ast.walk(module)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            names = [node.module]
            assert all(hasattr(importlib.import_module(node.module), alias.name) for alias in node.names)
        else:
            continue
        for name in names:
            importlib.import_module(name)
            assert name.split(".")[0] not in ("sim", "strategies", "devices")


def written() -> list[str]:
    """The Python files that it writes."""
    nodes = [node for node in ast.walk(tree()) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [str(node.value) for node in nodes if "class " in str(node.value)]


def test_its_keys_are_those_of_a_config() -> None:
    known = {key for key, _ in flat(Config().model_dump())} | {"options"}
    (settings,) = [
        node.value
        for node in tree().body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "settings"
    ]
    assert isinstance(settings, ast.Dict)
    keys = {ast.literal_eval(key) for key in settings.keys if key}
    assert keys
    assert keys <= known
    for name in ("run", "sweep"):
        own = set(inspect.signature(getattr(headstart, name)).parameters)
        assert list(calls(name))
        for call in calls(name):
            named = {keyword.arg for keyword in call.keywords if keyword.arg}
            assert {key.replace("__", ".") for key in named - own} <= known


@pytest.mark.slow
def test_it_runs_to_its_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(TUTORIAL, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "tries.png").stat().st_size > 10_000
    assert len(list((tmp_path / "results" / "tries").glob("*/summary.csv"))) == 3
    printed = [output["text"] for cell in notebook.cells for output in cell.get("outputs", ()) if "text" in output]
    assert any('"style": "pirate"' in text for text in printed)
