"""The look of all figures: sizes, fonts, and colours that stay apart in grey too, by hatch, marker and line."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sim.common.disk import write_whole, writing
from sim.experiment.names import ORACLE, SCRATCH

DPI = 200
WIDTH_IN = 7.0
"""Width of a figure over both columns of a paper, inches."""

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.6,
    "hatch.color": "white",
    "pdf.fonttype": 42,
    "svg.hashsalt": "headstart",
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "text.usetex": False,
}

DARK, LIGHT, MIDDLE, ACCENT = "#35648f", "#b5d1e8", "#7fa9cf", "#d1681c"
"""Blues of clearly different lightness and one accent, for charts whose bars are not strategies."""
ERROR_BARS: dict[str, Any] = {"ecolor": "#222222", "elinewidth": 0.9, "capsize": 2.2}

_COLOURS = (
    *("#d1681c", "#1f4e79", "#2a9d78", "#b8428c", "#5fa8dc", "#e0a100"),
    *("#7d4e24", "#6a51a3", "#e377a8", "#8aa61e", "#a31f2d", "#3cb8b8"),
)
_MARKERS = ("s", "^", "D", "v", "P", "<", "X", "p", ">", "h", "*")
# twelve colours and eleven markers: no pair of the two comes twice among 132 strategies
_LINES: tuple[Any, ...] = ((0, (5, 1.5)), (0, (4, 1, 1, 1)), "-", (0, (2, 1)), (0, (4, 1, 1, 1, 1, 1)))


@dataclass(frozen=True)
class Look:
    """How one strategy is drawn, the same in every figure of a run."""

    colour: str
    marker: str
    line: Any

    @property
    def plot(self) -> dict[str, Any]:
        """Keywords for `Axes.plot`."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.line,
            "mec": "white",
            "mew": 0.5,
        }


def looks(strategies: Sequence[str]) -> dict[str, Look]:
    """The look of each strategy: scratch grey, the oracle black and dotted, the others in colours by turn."""
    fixed = {SCRATCH: Look("#7a7a7a", "o", "-"), ORACLE: Look("#111111", "X", (0, (1, 1.2)))}
    free = [s for s in strategies if s not in fixed]
    turn = {
        s: Look(_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)], _LINES[i % len(_LINES)])
        for i, s in enumerate(free)
    }
    return {s: fixed.get(s) or turn[s] for s in strategies}


def styled(**more: Any) -> AbstractContextManager[None]:
    """A context that gives figures this look; they are drawn and saved within it. `more` are further settings."""
    rc: Any = RC | {key.replace("_", ".", 1): value for key, value in more.items()}
    return mpl.rc_context(rc)


def new_figure(width_in: float = WIDTH_IN, height_in: float = 3.4) -> Figure:
    """A figure of its own, without pyplot's global state."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path, dpi: int = DPI) -> Path:
    """Write PNG, SVG, or PDF with embedded fonts, by the path's suffix. The bytes depend on the figure alone."""
    drawn, kind = io.BytesIO(), path.suffix.removeprefix(".")
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    with styled():
        figure.savefig(drawn, format=kind, dpi=dpi, metadata=undated.get(kind))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, drawn.getvalue())
    return path


def label(name: object, most: int = 60) -> str:
    """A name, key or value as figures write it: on one line, at most so many letters, and never left out of a legend.

    matplotlib leaves out what begins with an underscore, and what is empty; a space before it changes that.
    """
    line = "".join(" " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in str(name))
    shown = line if len(line) <= most else f"{line[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
    return f" {shown}" if shown.startswith("_") or not shown else shown


def list_downwards(axes: Axes, names: Sequence[str]) -> np.ndarray:
    """Label the rows of a horizontal chart from top to bottom; return their positions."""
    rows = np.arange(len(names), dtype=float)
    axes.set_yticks(rows, [label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    return rows


def label_value(axes: Axes, x: float, y: float, text: str, gap: float = 3) -> None:
    """Write a value beside the end of a bar, `gap` points to its right."""
    axes.annotate(
        text, (x, y), xytext=(gap, 0), textcoords="offset points", fontsize=7,
        ha="left", va="center", annotation_clip=False,
    )  # fmt: skip
