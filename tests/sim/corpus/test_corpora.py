"""Corpora by name and by import path: the shipped ones, the docs' example, and what is no corpus."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar, Self

import pandas as pd
import pytest
from typer.testing import CliRunner

from sim.analysis.run.report import report
from sim.cli import app
from sim.common.errors import UserError
from sim.corpus import CORPORA, Corpus, Style, open_corpus
from sim.corpus.persona import PersonaCorpus
from sim.experiment.sections import CorpusSection
from tests.runs import tiny_overrides

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8")


class Given(PersonaCorpus):
    """Opened from the section."""

    built_in = False

    def __init__(self, section: CorpusSection) -> None:
        super().__init__()
        self.source = f"{section.path} in {section.style}"

    @classmethod
    def open(cls, section: CorpusSection) -> Self:
        return cls(section)


class NeedsPath(Given):
    needs_path = True


class Unopened(PersonaCorpus):
    def __init__(self, path: str) -> None:
        super().__init__()


class Unfinished(Corpus):
    """No text, no fingerprint."""

    styles: ClassVar = {"a": Style("a")}
    default = "b"


class Styleless(PersonaCorpus):
    def __init__(self) -> None:
        self.default = "a"


class Called:
    calls = 0

    def __init__(self) -> None:
        type(self).calls += 1


def refused(source: str, **keys: str) -> str:
    with pytest.raises(UserError) as caught:
        open_corpus(CorpusSection.model_validate({"source": source, **keys}))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def own(kind: type) -> str:
    return f"{__name__}:{kind.__name__}"


def test_shipped_corpora_are_registered_and_whole() -> None:
    registered = {p.name: p.value for p in entry_points(group="headstart.corpora")}
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["headstart.corpora"]
    assert registered == listed, "install the package again"
    assert {name: CORPORA.load(name).needs_path for name in listed} == {
        **{"persona": False, "xpert": True, "jsonl": True, "hf": True, "translators": False}
    }
    assert [name for name in listed if f"| `{name}` |" not in PAGE] == []


def test_one_line_says_what_is_no_corpus() -> None:
    assert refused("persna") == "corpus.source: unknown corpus 'persna'. Did you mean 'persona'?"
    assert refused(own(Called)) == f"corpus.source: {own(Called)!r} is no subclass of sim.corpus.base.Corpus."
    assert refused("builtins:exit").startswith("corpus.source: 'builtins:exit' is no subclass")
    assert refused(own(Unfinished)) == f"corpus.source: {own(Unfinished)!r} lacks available, draw, fingerprint."
    assert "missing 1 required positional argument: 'path'" in refused(own(Unopened))
    assert refused(own(Styleless)).endswith("what it opens has no 'styles'.")
    assert Called.calls == 0


@pytest.mark.parametrize("source", ["xpert", "jsonl", "hf", own(NeedsPath)])
def test_a_path_is_asked_for_by_those_that_need_one(source: str) -> None:
    assert refused(source) == f"corpus.path: empty, but corpus.source = {source!r} needs a path."


def test_a_corpus_is_opened_from_its_section() -> None:
    section = CorpusSection(source=own(Given), path="here", style="tone")
    assert open_corpus(section).source == "here in tone"
    assert type(open_corpus(CorpusSection())) is PersonaCorpus


def test_example_in_the_docs_runs(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = PAGE.split("```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    (tmp_path / "weather.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    settings = [*tiny_overrides(tiny_llm, tmp_path / "out"), "corpus.source=weather:Weather"]
    CliRunner().invoke(app, ["run", *settings], catch_exceptions=False)
    (folder,) = (tmp_path / "out").glob("*/*")
    users = pd.read_csv(folder / "users.csv")
    assert sorted(users.strategy.unique()) == ["oracle", "random", "scratch"]
    assert set(users["style"]) <= {"glad", "gloomy"}
    assert users["taught"].isna().all()  # the corpus does not say
    assert set(pd.read_csv(folder / "pool.csv")["style"]) == {"glad", "gloomy"}
    report(folder)
    monkeypatch.undo()
    monkeypatch.delitem(sys.modules, "weather")
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    report(folder)  # the records are enough, where the corpus is not
