"""README's first experiment works as it is written, but for a smaller pool and fewer users."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest

from docs.make.results import README
from tests.runs import Command, tiny_overrides

SECTION = "## A first experiment of your own\n"


def blocks(language: str) -> list[str]:
    """The section's code blocks in a language."""
    section = README.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def test_the_first_experiment(
    command: Command, tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,), (commands,) = blocks("python"), blocks("bash")
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # another test's
    monkeypatch.chdir(tmp_path)
    smaller = [*tiny_overrides(tiny_llm, Path("results")), "ladder.users=0"]
    for line in commands.splitlines():
        words = [word.replace("12,24,48", "4,8") for word in shlex.split(line, comments=True)]
        assert words[0] == "headstart"
        named = {word.partition("=")[0] for word in words}
        more = [word for word in smaller if word.partition("=")[0] not in named]
        status, _, err = command(*words[1:], *(more if words[1] in ("run", "sweep") else ()))
        assert status == 0, f"{line}: {err}"
    runs = [pd.read_csv(path) for path in (tmp_path / "results" / "tries").glob("*/users.csv")]
    assert [{*run["strategy"]} for run in runs] == 2 * [{"scratch", "mine:FiveTries"}]
