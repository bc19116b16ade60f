"""Every figure in README.md and docs/ is held: by figures/PAGE.toml and counted/PAGE.py beside this file.

Not on pages that are made from code and records, which have tests that they are up to date, nor in the log, whose
entries are dated and stay as they were.

figures/PAGE.toml says in tables of three kinds what the page `says` (a text, or a list of texts) and where that is
from:

[[measured]]  a cell of committed results. `of` is a run or sweep of results/reference/ as pages' tables name it,
              then strategy and metric of its summary.csv (rule: restart where there are rules). Either `between`, the
              range in which the sentence is true (times `factor`, 100 where it is not given), or `zero = true`: the
              interval holds 0, or false: it does not.
[[set]]       what a config sets: `of` is a folder of results/reference/ or a file of configs/; `key`, or `sweep` for a
              key that is swept there, and `value`.
[[stated]]    what no record holds, and `because`: a published value and where, a definition and where in the code, a
              duration or a trial and the entry of docs/log.md.

counted/PAGE.py gives pieces of the page that take more than a cell: they are made anew from records, code and shipped
files, and compared word for word.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from docs.make.summaries import REFERENCE, ROOT, read_summary
from sim.analysis.rules import ANY, RESTART
from sim.experiment.config import Config

FIGURES = Path(__file__).parent / "figures"
MADE = {"bench", "blind", "config", "paper", "records"}
"""Pages that are made as a whole: tests/docs/test_docs.py, test_paper.py and tests/benchmarks hold them."""
DATED = {"log"}
PAGES = [
    "README.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")) if path.stem not in MADE | DATED),
]
NOT_PROSE = re.compile(r"```.*?```|<!-- [^>]* -->\n\n.*?<!-- end -->|\]\([^)]*\)|^ *\d+\. ", re.DOTALL | re.MULTILINE)
"""Code, tables that are made, addresses of links, the numbers of a list."""
NO_FIGURE = re.compile(r"`[^`]*`|\[\d+\]|95 % (?:confidence )?intervals?|exit status \(?\d+")
"""Code, references to sources, the level of all intervals, and exit statuses, which tests of commands hold."""
FIGURE = re.compile(r"(?<![\w.-])-?\d[\d,.]*")


@cache
def prose(page: str) -> str:
    """A page on one line, without what is not prose; tables written by hand are."""
    return " ".join(NOT_PROSE.sub(" ", (ROOT / page).read_text(encoding="utf-8")).split())


def _entries() -> list[dict[str, Any]]:
    """All tables, each with its page and kind."""
    found = []
    for page in PAGES:
        path = FIGURES / f"{Path(page).stem}.toml"
        kinds = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        found += [{"page": page, "kind": kind, **entry} for kind, entries in kinds.items() for entry in entries]
    return found


ENTRIES = _entries()


@cache
def counted(page: str) -> tuple[str, ...]:
    """What counted/PAGE.py makes of the records."""
    module = f"tests.docs.counted.{Path(page).stem.lower()}"
    return tuple(import_module(module).said()) if find_spec(module) else ()


def pieces(entry: dict[str, Any]) -> list[str]:
    return [entry["says"]] if isinstance(entry["says"], str) else entry["says"]


def of_kind(kind: str) -> list[Any]:
    found = [entry for entry in ENTRIES if entry["kind"] == kind]
    return [pytest.param(entry, id=f"{entry['page']}: {pieces(entry)[0]}") for entry in found]


@pytest.mark.parametrize("entry", of_kind("measured"))
def test_what_is_said_is_what_was_measured(entry: dict[str, Any]) -> None:
    summary = read_summary(entry["of"])
    strategies = [entry["strategy"]] if isinstance(entry["strategy"], str) else entry["strategy"]
    for strategy in strategies:
        rule = RESTART if (strategy, entry["metric"], RESTART) in summary.index else ANY
        row = summary.loc[(strategy, entry["metric"], rule)]
        if "zero" in entry:
            assert bool(row["low"] <= 0 <= row["high"]) == entry["zero"]
        else:
            low, high = entry["between"]
            assert low <= row[entry.get("column", "mean")] * entry.get("factor", 100) <= high


@pytest.mark.parametrize("entry", of_kind("set"))
def test_what_is_said_was_set(entry: dict[str, Any]) -> None:
    name, found = entry["of"], []
    if name.endswith(".toml"):
        written = tomllib.loads((ROOT / name).read_text(encoding="utf-8"))
        found = [written["sweep"][entry["sweep"]] if "sweep" in entry else _at(written, entry["key"])]
    else:
        paths = sorted((REFERENCE / name).rglob("config.toml"))
        found = [_at(Config.load(path, []).model_dump(), entry["key"]) for path in paths]
    assert found
    assert all(value == entry["value"] for value in found)


def _at(tree: Any, key: str) -> Any:
    for part in key.split("."):
        tree = tree[part]
    return tree


@pytest.mark.parametrize("entry", of_kind("stated"))
def test_what_is_stated_says_where_from(entry: dict[str, Any]) -> None:
    assert len(entry["because"].split()) >= 2


@pytest.mark.parametrize("page", PAGES)
def test_it_is_said(page: str) -> None:
    """What is counted, word for word; and no entry outlives its sentence."""
    listed = [piece for entry in ENTRIES if entry["page"] == page for piece in pieces(entry)]
    assert [piece for piece in (*counted(page), *listed) if " ".join(piece.split()) not in prose(page)] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_figure_without_an_entry(page: str) -> None:
    text = prose(page)
    held = {at for found in NO_FIGURE.finditer(text) for at in range(*found.span())}
    for piece in (*counted(page), *(piece for entry in ENTRIES if entry["page"] == page for piece in pieces(entry))):
        for found in re.finditer(re.escape(" ".join(piece.split())), text):
            held |= {*range(*found.span())}
    loose = [text[max(0, m.start() - 40) : m.end() + 20] for m in FIGURE.finditer(text) if m.start() not in held]
    assert loose == []


def test_cost_that_is_shown_is_that_of_the_command(command: Callable[..., tuple[int, str, str]]) -> None:
    page = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith("headstart devices cost") and "--answer" in line)
    _, said, _ = command(*shlex.split(line)[1:])
    rows = [row.split() for row in said.splitlines() if row.split()[:1] in (["prefill"], ["decode"], ["total"])]
    assert len(rows) == 3
    assert [row for row in rows if row not in [shown.split() for shown in page.splitlines()]] == []


def test_entries_are_of_pages_that_are_there() -> None:
    stems = {Path(page).stem for page in PAGES}
    assert {path.stem for path in FIGURES.iterdir()} <= stems
    counting = {path.stem for path in (Path(__file__).parent / "counted").glob("[a-z]*.py")}
    assert counting <= {stem.lower() for stem in stems}
