"""Every figure in the prose of README.md and of the pages of results is held by figures.toml beside this file."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from docs.make.summaries import REFERENCE, ROOT, read_summary
from sim.analysis.rules import ANY, RESTART
from sim.analysis.run.latent import latent_space
from sim.analysis.sweep.published import TIME_SAVED_BY_SIMILARITY
from sim.analysis.tables import load_run
from sim.experiment.config import Config

ENTRIES: dict[str, list[dict[str, Any]]] = tomllib.loads(
    (Path(__file__).parent / "figures.toml").read_text(encoding="utf-8")
)
PAGES = ("README.md", "docs/results.md", "docs/published.md")
NOT_PROSE = re.compile(r"```.*?```|<!-- \w+ of.*?<!-- end -->|^\|.*?$|\]\([^)]*\)", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`]*`")
FIGURE = re.compile(r"(?<![\w.-])-?\d[\d,.]*")


@cache
def prose(page: str) -> str:
    """A page on one line, without its tables, code blocks and links' addresses."""
    return " ".join(NOT_PROSE.sub(" ", (ROOT / page).read_text(encoding="utf-8")).split())


def fragments(entry: dict[str, Any]) -> list[str]:
    return [entry["says"]] if isinstance(entry["says"], str) else entry["says"]


def identify(entry: dict[str, Any]) -> str:
    return f"{entry['page']}: {fragments(entry)[0]}"


@pytest.mark.parametrize("entry", ENTRIES["measured"], ids=identify)
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


@pytest.mark.parametrize("entry", ENTRIES["set"], ids=identify)
def test_what_is_said_was_set(entry: dict[str, Any]) -> None:
    for path in sorted((REFERENCE / entry["of"]).rglob("config.toml")):
        value: Any = Config.load(path, []).model_dump()
        for part in entry["key"].split("."):
            value = value[part]
        assert value == entry["value"], path


@pytest.mark.parametrize("entry", [one for kind in ENTRIES.values() for one in kind], ids=identify)
def test_it_is_said(entry: dict[str, Any]) -> None:
    """So that no entry outlives its sentence."""
    for fragment in fragments(entry):
        assert fragment in prose(entry["page"])


@pytest.mark.parametrize("page", PAGES)
def test_no_figure_without_an_entry(page: str) -> None:
    text = prose(page)
    held: set[int] = set()
    for entry in (one for kind in ENTRIES.values() for one in kind if one["page"] == page):
        for fragment in fragments(entry):
            for found in re.finditer(re.escape(fragment), text):
                held |= {*range(*found.span())}
    for code in CODE.finditer(text):
        held |= {*range(*code.span())}
    loose = [text[max(0, m.start() - 40) : m.end() + 20] for m in FIGURE.finditer(text) if m.start() not in held]
    assert loose == []


def test_phones_that_cannot_hold_the_summarizer() -> None:
    users = load_run(REFERENCE / "quickstart").users
    streamed = users[users["strategy"] == "xpert"]["fits"].ne("yes").sum()
    assert f"({streamed} of {users['user_id'].nunique()} in the quickstart)" in prose("README.md")


def test_steps_that_are_billed_in_the_quickstart() -> None:
    mean = float(read_summary("quickstart").loc[("scratch", "steps_to_target", ANY), "mean"])
    assert f"that mean is {mean:.1f}, so one measured step is billed as {1000 / mean:.1f}" in prose("README.md")


def test_what_the_oracle_saves_beyond_what_is_published() -> None:
    means = {
        share: read_summary(f"similarity where pool.similarity={share}")["mean"] for share in TIME_SAVED_BY_SIMILARITY
    }
    middle = [100 * means[s]["oracle", "time_saved", RESTART] - TIME_SAVED_BY_SIMILARITY[s] for s in (0.5, 0.7, 0.8)]
    assert f"from 50 to 80 % it saves {min(middle):.0f} to {max(middle):.0f} points more" in prose("docs/published.md")
    cards = [100 * mean["xpert_cards", "selection_accuracy", ANY] for mean in means.values()]
    assert f"is right for {min(cards):.0f} to {max(cards):.0f} %" in prose("docs/published.md")


def test_how_levels_are_ordered() -> None:
    found = {space.axis: space.spearman for space in latent_space(load_run(REFERENCE / "latent_space"))}
    said = f"(Spearman {found['expertise']:.2f}) and hardly for formality ({found['formality']:.2f})"
    assert said in prose("docs/published.md")


def test_size_of_the_pools() -> None:
    for name in ("headline", "strategies"):
        for path in (REFERENCE / name).rglob("pool.csv"):
            assert len(load_run(path.parent).pool) == 28


def test_how_much_owners_wrote() -> None:
    runs = [load_run(path.parent) for path in (REFERENCE / "headline").rglob("pool.csv")]
    rich = [run for run in runs if run.config and run.config.pool.texts == "rich"]
    (owners,) = {int(texts) for run in rich for texts in run.pool["texts"]}
    (users,) = {int(texts) for run in rich for texts in run.users["texts"]}
    assert owners == 8 * users
    assert f"eight times as much, {owners} texts" in prose("docs/results.md")
    assert "With eight times a user's texts" in prose("README.md")
