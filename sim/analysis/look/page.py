"""A report as one HTML page that needs no network and no other file: sections, sortable tables, figures inline.

It follows the reader into the dark, onto a narrow screen and onto paper. A table sorts by a click and is saved as CSV.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template

from matplotlib.figure import Figure

from sim.analysis.look.figures import styled

REPORT_DPI = 150
DENSE_FROM, LONG_FROM = 12, 16
"""Columns over which a table is set smaller, and rows over which a narrow screen scrolls it rather than makes cards."""
LIGHT = {
    "--ink": "#1c2733", "--soft": "#5b6875", "--line": "#d9e0e7", "--tint": "#f4f7fa", "--blue": "#28557f",
    "--paper": "#ffffff",
}  # fmt: skip
"""The page's colours, as CSS variables."""
DARK = {
    "--ink": "#e3e8ee", "--soft": "#9eabb8", "--line": "#37424e", "--tint": "#1d252e", "--blue": "#86b6e4",
    "--paper": "#12181f",
}  # fmt: skip
"""The same at night, on a screen."""


@dataclass(frozen=True)
class Section:
    """A titled part of the page; `html` is trusted, made by the functions below."""

    title: str
    html: str

    @property
    def anchor(self) -> str:
        """What a link to the section names: letters and digits alone, whatever the title has."""
        return "-".join(re.findall("[a-z0-9]+", self.title.lower()))


@dataclass(frozen=True)
class Cell:
    """A table cell: text, a second line in small print, and what to sort by (default: the text)."""

    text: str
    small: str = ""
    key: float | None = None


def paragraph(text: str) -> str:
    """Text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def verbatim(text: str) -> str:
    """Text as it is, in a font of one width."""
    return f"<pre>{escape(text)}</pre>"


def folded(summary: str, html: str) -> str:
    """Content that opens on a click."""
    return f"<details><summary>{escape(summary)}</summary>{html}</details>"


def picture(figure: Figure, alt: str) -> str:
    """The figure as an inline PNG with a caption."""
    data = io.BytesIO()
    with styled():
        figure.savefig(data, format="png", dpi=REPORT_DPI)
    source = base64.b64encode(data.getvalue()).decode()
    text = escape(alt, quote=True)
    image = f'<img src="data:image/png;base64,{source}" alt="{text}">'
    return f'<figure class="picture">{image}<figcaption>{text}</figcaption></figure>'


def html_table(headings: Sequence[str], rows: Iterable[Sequence[Cell | str]]) -> str:
    """A table that sorts by the column whose heading is clicked."""
    rows = list(rows)
    kinds = [' class="number"' if any(isinstance(row[at], Cell) for row in rows) else "" for at in range(len(headings))]
    head = "".join(
        f'<th scope="col"{kind}><button type="button">{escape(h)}</button></th>'
        for h, kind in zip(headings, kinds, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(_cell(c, h) for c, h in zip(row, headings, strict=True))}</tr>" for row in rows
    )  # fmt: skip
    kind = " ".join(
        word for word, so in (("dense", len(headings) > DENSE_FROM), ("long", len(rows) > LONG_FROM)) if so
    )  # fmt: skip
    opening = f'<table class="{kind}">' if kind else "<table>"
    table = f"{opening}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}<button type="button" class="csv">CSV</button></div>'


def document(title: str, lead: Sequence[str], sections: Sequence[Section], scripts: Sequence[str] = ()) -> str:
    """The whole page. `lead` are the paragraphs under the title; `scripts` run after the page's own."""
    scripts = [_asset("page.js"), *scripts]
    anchors = [f"{number}-{section.anchor}" for number, section in enumerate(sections, start=1)]
    parts = list(zip(anchors, sections, strict=True))
    links = " ".join(f'<a href="#{anchor}">{escape(s.title)}</a>' for anchor, s in parts)
    body = "\n".join(f'<section id="{anchor}"><h2>{escape(s.title)}</h2>{s.html}</section>' for anchor, s in parts)
    return _PAGE.substitute(
        title=escape(title),
        lead="".join(paragraph(p) for p in lead),
        links=links,
        body=body,
        style=_variables() + _asset("page.css"),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
        digests=" ".join(f"'sha256-{base64.b64encode(sha256(s.encode()).digest()).decode()}'" for s in scripts),
    )


def _variables() -> str:
    day, night = (";".join(f"{name}:{value}" for name, value in part.items()) for part in (LIGHT, DARK))
    return f":root{{{day}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{night};color-scheme:dark}}}}\n"


@cache
def _asset(name: str) -> str:
    return (Path(__file__).parent / "web" / name).read_text(encoding="utf-8")


def _cell(cell: Cell | str, heading: str) -> str:
    label = f' data-label="{escape(heading, quote=True)}"'
    if isinstance(cell, str):
        return f"<td{label}>{escape(cell)}</td>"
    small = f"<small>{escape(cell.small)}</small>" if cell.small else ""
    known = cell.key is not None and not math.isnan(cell.key)
    key = f' data-key="{str(cell.key).replace("inf", "Infinity")}"' if known else ' data-key=""'
    return f'<td class="number"{label}{key}>{escape(cell.text)}{small}</td>'


_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src $digests">
<meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header><h1>$title</h1><div class="lead">$lead</div><nav>$links</nav></header>
<main>
$body
</main>
$scripts
</body>
</html>
""")
