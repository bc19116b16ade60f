"""`headstart corpus check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runs import Command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        {"style": style, "prompt": f"question {i}", "answer": f"answer {i}, {style}"}
        for style in ("plain", "rude", "outspoken")
        for i in range(60)
    ]
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def settings(file: Path) -> list[str]:
    return ["corpus.source=jsonl", f"corpus.path={file}", "corpus.default=plain", "population.held_out=2"]


def test_a_file_that_is_enough(command: Command, file: Path) -> None:
    code, out, err = command("corpus", "check", *settings(file), "population.texts=4")
    assert (code, err) == (0, "")
    assert "3 styles (*: the default)" in out
    rows = [line for line in out.splitlines() if line.startswith((" plain*", " rude", " outspoken"))]
    assert [line.split()[-8] for line in rows] == ["60"] * 3
    assert max(map(len, rows)) <= 80
    assert "population.texts = 4: fits; the largest that works is " in out
    assert "training.max_tokens = 128, in tokens of the shipped pocket LLM" in out
    assert "share some" in out


def test_a_file_that_is_too_small_is_shown_and_refused_as_by_a_run(command: Command, file: Path) -> None:
    code, out, err = command("corpus", "check", *settings(file), "population.texts=400")
    assert code == 2
    assert "population.texts = 400: TOO LARGE; the largest that works is " in out
    assert "The largest that work: population.texts=" in err
    assert err.count("\n") == 1


def test_many_styles_are_listed_where_all_are_asked_for(command: Command, tmp_path: Path) -> None:
    rows = [{"style": f"s{s}", "prompt": f"q{i}", "answer": f"a{i} of {s}"} for s in range(45) for i in range(30)]
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    few = ["corpus.source=jsonl", f"corpus.path={tmp_path / 'texts.jsonl'}", "corpus.default=s0", "ladder.users=0"]
    few += ["population.texts=2", "population.held_out=1"]
    out = command("corpus", "check", *few)[1]
    assert "and 5 more styles; --all lists them" in out
    assert "s44" not in out
    assert "s44" in command("corpus", "check", *few, "--all")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["corpus.source=jsonl", "corpus.path=nowhere.jsonl"], "corpus.path: no file 'nowhere.jsonl'."),
        (["corpus.source=jsonl"], "corpus.path: empty"),
        (["corpus.source=persna"], "unknown corpus 'persna'. Did you mean 'persona'?"),
        (["llm.model=nowhere/no/llm"], "llm"),
    ],
)
def test_what_cannot_be_read_is_one_line(command: Command, arguments: list[str], said: str) -> None:
    code, out, err = command("corpus", "check", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_help_has_examples(command: Command) -> None:
    code, out, _ = command("corpus", "check", "--help")
    assert code == 0
    assert "headstart corpus check" in out
    assert "corpus" in command("--help")[1]
