"""A report in Debian's Chromium: filters are clicked, figures and tables saved, and nothing is asked of any network."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sim.analysis.look.crowd import COUNTED
from sim.analysis.run.report import report
from sim.analysis.summary import COLUMNS, by_key, number, summarise
from sim.analysis.tables import load_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no browser is driven: tests/sim/analysis/look/browser.sh"
)
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: tests/sim/analysis/look/browser.sh installs it"),
]
FACTORS = {metric: factor for metric, _, factor in COLUMNS} | {"energy_saved_total": 100.0}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, run_folder: Path) -> Iterator[Callable[..., Page]]:
    """Opens the report, of so wide a screen; whatever it asks of a network or reports as an error fails the test."""
    path, wrong = report(run_folder), []
    contexts = []

    def open_page(width: int = 1300, **more: object) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **more))
        page = contexts[-1].new_page()
        page.on("request", lambda r: wrong.append(r.url) if r.url.startswith("http") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(path.as_uri())
        drawn(page, 1)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def drawn(page: Page, times: int) -> None:
    page.wait_for_selector(f"#explorer[data-drawn='{times}']", timeout=120_000)


def shown(page: Page) -> dict[tuple[str, str], tuple[str, str]]:
    """The counted table: by strategy and metric the number that is shown and its interval."""
    cells = page.evaluate(
        """[...document.querySelectorAll('.counted tbody tr')].flatMap(row => [...row.cells]
        .filter(c => c.dataset.metric).map(c => [row.cells[0].textContent, c.dataset.metric, c.firstChild.textContent,
                   c.querySelector('small')?.textContent ?? '']))"""
    )
    return {(strategy, metric): (text, small) for strategy, metric, text, small in cells}


def test_what_it_counts_is_what_the_summary_says(opened: Callable[..., Page], run_folder: Path) -> None:
    found, run = by_key(summarise(load_run(run_folder))), load_run(run_folder)
    cells = shown(opened())
    assert len(cells) == len(run.strategies) * len(COUNTED)
    for (strategy, metric), (text, _) in cells.items():
        mean = found[strategy, metric]["mean"] if (strategy, metric) in found else np.nan
        assert text == number(FACTORS[metric] * mean), (strategy, metric)


def test_a_click_on_a_filter_counts_anew(opened: Callable[..., Page], run_folder: Path) -> None:
    page, run = opened(), load_run(run_folder)
    style = str(run.styles[0])
    page.select_option("select[name=style]", label=style)
    drawn(page, 2)
    mine = run.wide("correct")[run.styles == style]["random"]
    assert shown(page)["random", "selection_accuracy"][0] == number(100 * mine.mean())
    assert f"{len(mine)} of 40 users" in page.text_content(".filters output")
    page.select_option("select[name=tier]", "0")
    drawn(page, 3)
    assert all(not small for _, small in shown(page).values())
    assert "no interval" in page.text_content(".filters output")
    page.uncheck("input[name=strategy] >> nth=1")
    drawn(page, 4)
    assert {strategy for strategy, _ in shown(page)} == {"scratch", "oracle", "xpert"}
    bars = page.locator("#chart-savings .role-axis-label text").all_text_contents()
    assert "random" not in bars
    assert "xpert" in bars


def test_a_figure_is_saved_as_svg_and_tables_as_csv(opened: Callable[..., Page]) -> None:
    page = opened()
    for name in ("savings", "tiers", "styles", "spread", "curves"):
        with page.expect_download() as waiting:
            page.click(f"#chart-{name} .save")
        assert waiting.value.suggested_filename == f"chart-{name}.svg"
        svg = waiting.value.path().read_text(encoding="utf-8")
        assert svg.startswith("<svg")
        assert "var(" not in svg
        assert "xpert" in svg
        assert "40 of 40 users: all tiers, all styles." in svg
    with page.expect_download() as waiting:
        page.click(".counted .csv")
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text(encoding="utf-8"))))
    assert [row["strategy"] for row in rows] == ["scratch", "random", "oracle", "xpert"]
    assert {"compute saved, %", "compute saved, %, 95 % interval"} < set(rows[0])
    page.click("text=Users, one by one")
    with page.expect_download() as waiting:
        page.click("button.list")
    assert len(waiting.value.path().read_text(encoding="utf-8").splitlines()) == 1 + 40 * 4


def test_a_bar_tells_its_number_under_the_mouse(opened: Callable[..., Page]) -> None:
    page = opened()
    page.locator("#chart-savings .mark-rect path").last.hover()
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert "95 % interval" in page.text_content("#vg-tooltip-element")


@pytest.mark.parametrize(("width", "scheme"), [(1300, "light"), (390, "light"), (1300, "dark")])
def test_nothing_is_wider_than_the_screen(opened: Callable[..., Page], width: int, scheme: str) -> None:
    page = opened(width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = "[...document.querySelectorAll('.wide')].slice(0, 4).filter(t => t.scrollWidth > t.clientWidth + 1).length"
    assert page.evaluate(wide) == 0
    ground, ink = (page.evaluate(f"getComputedStyle(document.body).{part}") for part in ("backgroundColor", "color"))
    assert (sum(map(int, ground[4:-1].split(","))) > sum(map(int, ink[4:-1].split(",")))) == (scheme == "light")
    assert page.pdf(format="A4")[:4] == b"%PDF"
