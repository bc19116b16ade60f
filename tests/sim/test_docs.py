"""The pages made from code are those that are checked in, and say everything."""

from __future__ import annotations

import pytest

from sim.config import Config
from sim.docs import DOCS, describe_config, pages
from sim.docs_results import BLOCK, README, filled
from sim.records import TABLES, describe


@pytest.mark.parametrize("name", ["config.md", "records.md"])
def test_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `python -m sim.docs`"


def test_tables_of_the_readme_are_those_of_the_committed_results() -> None:
    readme = README.read_text(encoding="utf-8")
    assert filled(readme) == readme, "run `python -m sim.docs`"
    assert BLOCK.search(readme)


def test_records_page_is_what_records_describe() -> None:
    assert pages()["records.md"] == describe()
    for table, columns in TABLES.items():
        _, _, after = describe().partition(f"## {table}.csv\n")
        section = after.partition("\n## ")[0]
        for column in columns:
            assert f"| `{column.name}` | {column.type.__name__} | {column.unit} | {column.meaning} |" in section


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
