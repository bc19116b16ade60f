"""The picture of docs/architecture.md: rooms of the code in the order of their layers, and who imports whom.

Layers are those of the import contract in pyproject.toml, arrows those of the code; of arrows that others imply none is
drawn. What a room is for is the first line of its package.
"""

from __future__ import annotations

import ast
import tomllib
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "img" / "house.svg"
WIDTH, GAP, BOX, ROW, TOP = 1000, 14, 46, 70, 16
FRONT = ("headstart",)
"""Packages that stand on the simulator, at its top: nothing of it imports them."""
BESIDE = ("strategies", "devices")
"""Packages that the simulator stands on: they import nothing of it."""


def layers() -> list[list[str]]:
    """The simulator's rooms from top to bottom, those of one layer side by side."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rows,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [[room.strip() for room in row.split("|")] for row in rows]


def imports(rooms: list[str]) -> set[tuple[str, str]]:
    """(importer, imported) for rooms that import each other directly."""
    graph = grimp.build_graph("sim", *FRONT, *BESIDE, include_external_packages=False)
    for room in rooms:
        graph.squash_module(room)
    return {(a, b) for a in rooms for b in rooms if a != b and graph.direct_import_exists(importer=a, imported=b)}


def reduced(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arrows that no path of others implies."""
    after = {a: {b for x, b in arrows if x == a} for a, _ in arrows}

    def reached(start: str, without: tuple[str, str]) -> set[str]:
        seen, waiting = set(), [start]
        while waiting:
            here = waiting.pop()
            for there in after.get(here, ()):
                if (here, there) != without and there not in seen:
                    seen.add(there)
                    waiting.append(there)
        return seen

    return {arrow for arrow in arrows if arrow[1] not in reached(arrow[0], arrow)}


def purpose(room: str) -> str:
    """The first sentence of a room's docstring, without its end."""
    path = ROOT / room.replace(".", "/")
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    return " ".join(text.split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def picture() -> str:
    """The house as SVG."""
    rows = layers()
    rows[0] += FRONT
    rows[-1] += BESIDE
    place: dict[str, tuple[float, float, float]] = {}
    for i, row in enumerate(rows):
        each = (WIDTH - GAP * (len(row) + 1)) / len(row)
        for j, room in enumerate(row):
            place[room] = (GAP + j * (each + GAP), TOP + i * ROW, each)
    boxes = [_box(room, *at) for room, at in place.items()]
    lines = [_arrow(place[a], place[b]) for a, b in sorted(reduced(imports(list(place))))]
    height = TOP + len(rows) * ROW
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0 8 4 0 8z" fill="#7a8794"/></marker></defs>',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def _box(room: str, x: float, y: float, width: float) -> str:
    name, most = room.removeprefix("sim."), int(width / 6.4)
    said = purpose(room)
    said = said if len(said) <= most else f"{said[: most - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"
    fill = "#eef4fa" if room.startswith("sim.") else "#fdf3e7"
    return (
        f'<g><rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{BOX}" rx="5" fill="{fill}" stroke="#35648f"/>'
        f'<text x="{x + 10:.0f}" y="{y + 19}" font-size="14" font-weight="bold">{escape(name)}</text>'
        f'<text x="{x + 10:.0f}" y="{y + 36}" font-size="11" fill="#444">{escape(said)}</text></g>'
    )


def _arrow(a: tuple[float, float, float], b: tuple[float, float, float]) -> str:
    start = (min(max(b[0] + b[2] / 2, a[0] + 12), a[0] + a[2] - 12), a[1] + BOX)
    end = (min(max(start[0], b[0] + 12), b[0] + b[2] - 12), b[1] - 2)
    return (
        f'<line x1="{start[0]:.0f}" y1="{start[1]:.0f}" x2="{end[0]:.0f}" y2="{end[1]:.0f}" stroke="#7a8794" '
        'marker-end="url(#tip)"/>'
    )
