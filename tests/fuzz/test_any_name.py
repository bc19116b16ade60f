"""Any name of a style, strategy or phone comes back from CSV as it was, and is text in HTML, plots and terminals."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console

from sim.analysis.look.figures import label, list_downwards, styled
from sim.analysis.look.page import Cell, Section, document, html_table, paragraph
from sim.analysis.tables import read_table
from sim.commands.terminal import frame
from sim.common.names import file_name, has_controls
from sim.display import Live
from sim.records.tables import TABLES
from tests.odd import TEXTS
from tests.sim.analysis.conftest import user_row, write_run

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore:Glyph")]

SYNTAX = st.sampled_from(
    ["$", "\\frac", "{", "}", "_", "^", "[/]", "[bold", "]", "<script>", '"', "'", "&", ":x:", "%", "\n"]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.sampled_from(TEXTS).filter(lambda name: name != "\ud800") | st.lists(SYNTAX | TEXT, max_size=5).map("".join)
USABLE = NAMES.filter(lambda name: name.strip() and not has_controls(name))


@given(USABLE, USABLE, USABLE)
def test_any_name_in_csv(tmp_path_factory: pytest.TempPathFactory, style: str, strategy: str, phone: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "named"
    (folder / "users.csv").unlink(missing_ok=True)
    write_run(folder, users=[user_row(0, strategy, style=style, chosen=style, phone=phone)])
    (row,) = read_table(folder / "users.csv", TABLES["users"]).to_dict("records")
    assert (row["style"], row["chosen"], row["strategy"], row["phone"]) == (style, style, strategy, phone)


class Outline(HTMLParser):
    """The elements of a page, with the names of their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.anchors: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, *(name for name, _ in attrs)))
        self.anchors += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(name: str) -> Outline:
    table = html_table([name], [[name], [Cell(name, f"small {name}")]])
    return Outline(document(name, [name], [Section(f"By {name}", table + paragraph(name))] * 2))


@given(NAMES)
def test_any_name_in_html(name: str) -> None:
    page, plain = page_of(name), page_of("n")
    assert page.elements == plain.elements
    assert len(set(page.anchors)) == 2
    assert all(re.fullmatch("[a-z0-9-]+", anchor) for anchor in page.anchors)
    assert name in page.text


@given(NAMES)
def test_any_name_in_a_terminal(name: str) -> None:
    out = io.StringIO()
    terminal = Console(file=out, width=4000, emoji=False, markup=False, force_terminal=True, color_system=None)
    terminal.print(frame(pd.DataFrame({"strategy": [name]}), title=name))
    with Live(terminal) as live:
        live.remark(name)
        live.run(1, 2, name, 0, 2)
        live.building(name, 1, 2)
    marks = re.sub(r"\s|[\x00-\x1f]", "", name)
    assert marks in re.sub(r"\s|[\x00-\x1f]", "", out.getvalue())


@given(NAMES)
def test_any_name_in_a_plot(name: str) -> None:
    with styled():
        figure = Figure(figsize=(2, 1))
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots()
        list_downwards(axes, [name])
        axes.plot([0, 1], label=label(name))
        (shown,) = figure.legend(*axes.get_legend_handles_labels()).get_texts()
        ticks = axes.get_yticklabels()
    for text in (shown, *ticks):
        text.get_window_extent(canvas.get_renderer())
        assert not text.get_parse_math()


@given(NAMES)
def test_any_name_of_a_file(name: str) -> None:
    path = Path("/folder") / f"x-{file_name(name)}.png"
    assert path.parent == Path("/folder")
    assert len(path.name.encode()) <= 255
    assert "\n" not in path.name
