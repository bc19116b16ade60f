"""The pages made from code are those that are checked in, and say everything."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from docs.make import blind, house, memory
from docs.make.pages import DOCS, describe_config, pages
from docs.make.results import BLOCK, FILLED, README, filled
from docs.make.summaries import read_summary
from sim.analysis.measures import COSTS, METRICS
from sim.experiment.config import Config
from sim.records.tables import TABLES, describe
from tests.runs import run, small_config


@pytest.mark.parametrize("name", ["config.md", "records.md"])
def test_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `python -m docs.make`"


def test_page_of_words_without_styles_is_that_of_the_records() -> None:
    page = (DOCS / blind.PAGE).read_text(encoding="utf-8")
    assert page == blind.blind(), "run `python -m docs.make`"
    before, _, key = page.partition("## Key")
    for line in key.splitlines():
        if line.startswith("| ") and not line.startswith("| person"):
            style = line.split(" | ")[1]
            assert style in before  # as one of all that it could be
            assert before.count(style) == 1


def test_picture_of_the_house_is_that_of_the_code() -> None:
    assert house.PICTURE.read_text(encoding="utf-8") == house.picture(), "run `python -m docs.make`"


def test_arrows_of_the_picture_are_those_that_no_others_imply() -> None:
    arrows = {("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d")}
    assert house.reduced(arrows) == {("a", "b"), ("b", "c"), ("c", "d")}


def test_rooms_are_small_enough_to_look_through() -> None:
    """At most a dozen entries in a folder of the simulator's code; the doors and rooms themselves are listed once."""
    folders = [path for path in (house.ROOT / "sim").rglob("*") if path.is_dir() and "data" not in path.parts]
    counts = {path: len([p for p in path.iterdir() if p.name != "__pycache__"]) for path in folders}
    assert {str(path): count for path, count in counts.items() if count > 12} == {}
    assert {room.partition(".")[2] for row in house.layers() for room in row} == {
        path.stem for path in (house.ROOT / "sim").iterdir() if path.name not in ("__init__.py", "__pycache__")
    }


@pytest.mark.parametrize("path", FILLED, ids=lambda path: path.name)
def test_tables_are_those_of_the_committed_results(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert filled(page) == page, "run `python -m docs.make`"
    assert BLOCK.search(page)


def test_table_of_phones_that_have_the_memory_is_that_of_the_command() -> None:
    page = memory.PAGE.read_text(encoding="utf-8")
    assert memory.filled(page) == page, "run `python -m docs.make`"
    assert memory.BLOCK.search(page)


def test_the_readme_shows_what_flatters_least_first() -> None:
    """Of the two regimes the one in which starts save less compute; with scratch in its first row."""
    (found,) = BLOCK.finditer(README.read_text(encoding="utf-8"))
    headings, _, first = found[0].splitlines()[2:5]
    names = [name.partition(":")[0].strip() for name in headings.split("|") if ":" in name]
    assert first.startswith("| `scratch` |")
    saved = [
        read_summary(f"{found[3]} where pool.texts={regime}")["mean"]["xpert", "compute_saved_total", "restart"]
        for regime in dict.fromkeys(names)
    ]
    assert saved == sorted(saved)
    assert saved[0] < 0 < saved[1]


def test_records_page_has_every_column_and_metric() -> None:
    page = pages()["records.md"]
    assert describe() in page
    for metric in (METRICS | COSTS).values():
        assert f"| `{metric.name}` | {metric.unit} | {metric.meaning} |\n" in page
    for table, columns in TABLES.items():
        _, _, after = describe().partition(f"## {table}.csv\n")
        section = after.partition("\n## ")[0]
        for column in columns:
            assert f"| `{column.name}` | {column.type.__name__} | {column.unit} | {column.meaning} |" in section


def test_example_of_the_records_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints what the README's table says."""
    example = pages()["records.md"].partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(README.parent)
    exec(example.replace("minutes.png", str(tmp_path / "minutes.png")), {})
    saved = {line.split()[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines()}
    summary = read_summary("quickstart")["mean"]
    assert float(saved["random"]) == pytest.approx(summary["random", "compute_saved_total", "restart"], abs=1e-6)
    assert (tmp_path / "minutes.png").stat().st_size > 1_000


def test_config_page_has_every_key_with_default_and_meaning() -> None:
    page = describe_config()
    for name, value in Config().model_dump().items():
        keys = [f"{name}.{k}" for k in value] if isinstance(value, dict) and value else [name]
        for key in keys:
            rows = [line for line in page.splitlines() if line.startswith(f"| `{key}` |")]
            assert len(rows) == 1, key
            assert all(cell.strip() for cell in rows[0].strip("|").split(" | ")), rows[0]
    assert "| `population.users` | whole number, at least 1, at most 10,000,000 | `60` | number of users |" in page
    assert '| `pool.ship` | `"adapter"`, `"model"` | `"adapter"` |' in page


def test_the_policy_of_the_living_pool_runs(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (DOCS / "living_pool.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    assert len(code[1].splitlines()) <= 20
    (tmp_path / "mine.py").write_text(code[1])
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # another page's
    monkeypatch.syspath_prepend(str(tmp_path))
    waves = ["waves.count=3", "waves.contribute=1", "pool.size=0", "ladder.users=0", "population.phones=oneplus-12"]
    found = run(small_config(tiny_llm, tmp_path, *waves, "strategies=scratch,random", "waves.policies=mine:OneEach"))
    assert found["versions"]["pllms"].tolist()[:2] == [0, 2]
    started = found["users"].query("wave == 1 and strategy == 'random'")["chosen"].nunique()
    assert found["versions"]["pllms"].tolist()[2] == 2  # each grown one takes the place of what it grew from
    assert started >= 1
