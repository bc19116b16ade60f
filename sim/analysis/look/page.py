"""A report as one HTML page that needs no network and no other file: sections, sortable tables, figures inline."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from string import Template

from matplotlib.figure import Figure

from sim.analysis.look.figures import styled

REPORT_DPI = 150


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
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def html_table(headings: Sequence[str], rows: Iterable[Sequence[Cell | str]]) -> str:
    """A table that sorts by the column whose heading is clicked."""
    head = "".join(f'<th scope="col"><button type="button">{escape(h)}</button></th>' for h in headings)
    body = "".join(f"<tr>{''.join(_cell(c) for c in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def document(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """The whole page. `lead` are the paragraphs under the title."""
    anchors = [f"{number}-{section.anchor}" for number, section in enumerate(sections, start=1)]
    parts = list(zip(anchors, sections, strict=True))
    links = " ".join(f'<a href="#{anchor}">{escape(s.title)}</a>' for anchor, s in parts)
    body = "\n".join(f'<section id="{anchor}"><h2>{escape(s.title)}</h2>{s.html}</section>' for anchor, s in parts)
    return _PAGE.substitute(
        title=escape(title),
        lead="".join(paragraph(p) for p in lead),
        links=links,
        body=body,
        style=_STYLE,
        script=_SCRIPT,
        digest=base64.b64encode(sha256(_SCRIPT.encode()).digest()).decode(),
    )


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return f"<td>{escape(cell)}</td>"
    small = f"<small>{escape(cell.small)}</small>" if cell.small else ""
    known = cell.key is not None and not math.isnan(cell.key)
    key = f' data-key="{cell.key!r}"' if known else ' data-key=""'
    return f'<td class="number"{key}>{escape(cell.text)}{small}</td>'


_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-$digest'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header><h1>$title</h1><div class="lead">$lead</div><nav>$links</nav></header>
<main>
$body
</main>
<script>$script</script>
</body>
</html>
""")

_STYLE = """
:root { --ink: #1c2733; --soft: #5b6875; --line: #d9e0e7; --tint: #f4f7fa; --blue: #28557f; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { margin: 0 0 .4rem; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 2.6rem 0 .6rem; padding-bottom: .25rem; border-bottom: 2px solid var(--line);
  font-size: 1.25rem; }
h3 { margin: 1.8rem 0 .4rem; font-size: 1.05rem; }
p { max-width: 46rem; margin: .5rem 0; }
.lead p:first-child { font-size: 1.12rem; }
nav { margin-top: .9rem; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .92rem; }
a { color: var(--blue); }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .35rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: var(--tint); white-space: nowrap; padding: 0; }
th button { width: 100%; padding: .4rem .7rem; border: 0; background: none; color: inherit; font: inherit;
  font-weight: 600; text-align: inherit; cursor: pointer; }
th button::after { content: " \\2195"; color: #a9b4bf; }
th[aria-sort=ascending] button::after { content: " \\2191"; color: var(--blue); }
th[aria-sort=descending] button::after { content: " \\2193"; color: var(--blue); }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td small { display: block; color: var(--soft); }
figure { margin: 1.1rem 0; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { margin-top: .3rem; color: var(--soft); font-size: .88rem; max-width: 46rem; }
pre { padding: .8rem 1rem; overflow-x: auto; background: var(--tint); border-left: 3px solid var(--line);
  font: .84rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
details { margin: .7rem 0; }
summary { cursor: pointer; color: var(--blue); }
@media print { nav, th button::after { display: none; } body { max-width: none; font-size: 11pt; } }
"""

_SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = row => {
      const cell = row.cells[column];
      if (cell.dataset.key === undefined) return cell.textContent;
      return cell.dataset.key === "" ? null : Number(cell.dataset.key);
    };
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const x = value(a), y = value(b);
      if (x === null || y === null) return (x === null) - (y === null);
      const order = typeof x === "number" ? x - y : x.localeCompare(y, undefined, { numeric: true });
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }));
}
"""
