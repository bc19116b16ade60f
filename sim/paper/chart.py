"""The main published charts drawn again: published values hollow, ours filled with 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.analysis.look.figures import looks, new_figure, styled
from sim.paper.compare import Row

PANELS = (
    ("right pLLM chosen (%)", ("accuracy",)),
    ("fine-tuning time saved (%)", ("time",)),
    ("data saved (%)", ("data",)),
    ("choosing: computation (min)", ("exhaustive-computation", "hyperband-computation", "xpert-computation")),
    ("steps saved (%)", ("mixed-one", "mixed-merged")),
    ("distance of levels (share)", ("levels",)),
)
"""Title of each panel, and the series in it."""
BESIDE = 0.44
"""How far apart what stands at one point is drawn, all together; points are 1 apart."""


def chart(rows: Sequence[Row]) -> Figure:
    """All panels; what was not run is missing from them."""
    with styled():
        figure = new_figure(height_in=5.2)
        for axes, (title, names) in zip(figure.subplots(2, 3).ravel(), PANELS, strict=True):
            _panel(axes, title, [row for row in rows if row.series.id in names])
    return figure


def _panel(axes: Axes, title: str, rows: Sequence[Row]) -> None:
    points = list(dict.fromkeys(row.point for row in rows))
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(_name(row), []).append(row)
    shifts = np.linspace(-BESIDE / 2, BESIDE / 2, len(lines)) if len(lines) > 1 else np.zeros(len(lines))
    for shift, (name, look), line in zip(shifts, looks(list(lines)).items(), lines.values(), strict=True):
        at = np.array([points.index(row.point) for row in line]) + shift
        values = np.array([[np.nan if row.published is None else row.published, *_bounds(row)] for row in line])
        published, mean, low, high = values.T
        axes.plot(at, published, "o", mfc="white", mec=look.colour, ms=6)
        ends = np.nan_to_num(np.abs([mean - low, high - mean]))
        axes.errorbar(at, mean, yerr=ends, fmt=look.marker, color=look.colour, ms=4, lw=1, capsize=2, label=name)
    axes.set_xticks(range(len(points)), points)
    axes.set_xlabel(rows[0].section.by if rows else "")
    axes.set_title(title)
    axes.grid(axis="x", visible=False)
    if len(lines) > 1:
        axes.legend(fontsize=6.5)


def _name(row: Row) -> str:
    ours = row.ours
    if ours is None:
        return row.series.quantity
    return ours.levels or (ours.strategy if ours.rule == "restart" else f"{ours.strategy}, {ours.rule}")


def _bounds(row: Row) -> tuple[float, float, float]:
    return row.estimate or (np.nan, np.nan, np.nan)
