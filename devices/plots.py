"""The two pictures of the cost model: predicted against published, and cost by phone and LLM.

matplotlib is imported here and nowhere else in the package, when a picture is drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from devices.phones import TIERS, phones
from devices.tables import COST_LLMS, cost_table
from devices.validate import validate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "train": ("LoRA training, s", "gpu_llamacpp"),
    "prefill": ("prefill, tokens/s", "cpu_tuned"),
    "decode": ("decode, tokens/s", "cpu_tuned"),
    "memory": ("training memory, GB", "gpu_llamacpp"),
}
HELD_OUT = ("train", "prefill", "decode")
"""Those of them that constants were fitted to, which left out the phone in question."""
INK, QUIET, WIDE, NARROW = "#222222", "#777777", "#e9e9e9", "#cfcfcf"
PAGE_IN = (7.2, 8.8)
"""Most that a picture may measure to be printed on a page, inches."""
MOST_PHONES = 40
"""Phones that a page has rows for; of more, a row is a tier and a year."""


def _new(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: str | Path) -> Path:
    """By the path's suffix; letters of a PDF stay letters."""
    from matplotlib import rc_context

    with rc_context({"pdf.fonttype": 42}):
        figure.savefig(path, dpi=150)
    return Path(path)


def plot_validation(path: str | Path, table: pd.DataFrame | None = None) -> Path:
    """Predicted against published: above an operation a panel, below by how much each phone is missed.

    Every point was predicted by constants fitted without its phone; nothing was fitted to memory. The bands are 25 %
    and twofold. Returns the path of the written picture.
    """
    rows = validate() if table is None else table
    figure = _new(*PAGE_IN)
    grid = figure.add_gridspec(2, 1, height_ratios=(1, 2.5))
    above, below = (figure.add_subfigure(grid[row]) for row in range(2))
    for axes, (operation, (title, _)) in zip(above.subplots(1, 4), PANELS.items(), strict=True):
        mine = _of(rows, operation)
        _scatter(axes, mine)
        error = 100 * (mine.ratio - 1).abs().median()
        axes.set_title(f"{title}\n{len(mine)} figures\nmedian error {error:.0f} %", fontsize=7.5)
        axes.set_xlabel("published", fontsize=7.5)
    above.axes[0].set_ylabel("predicted, phone held out", fontsize=7.5)
    phones = sorted({str(device) for operation in HELD_OUT for device in _of(rows, operation).device})
    for axes, operation in zip(below.subplots(1, 3, sharey=True), HELD_OUT, strict=True):
        _misses(axes, _of(rows, operation), phones)
        axes.set_title(PANELS[operation][0].partition(",")[0], fontsize=8)
    below.supxlabel("predicted / published: a dot a figure, a line the phone's median", fontsize=8)
    return _save(figure, path)


def _of(rows: pd.DataFrame, operation: str) -> pd.DataFrame:
    """The measurements of a panel."""
    return rows[(rows.operation == operation) & (rows.backend == PANELS[operation][1])]


def _scatter(axes: Axes, rows: pd.DataFrame) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    published, predicted = rows.published.to_numpy(dtype=float), rows.predicted.to_numpy(dtype=float)
    both = np.concatenate([published, predicted])
    line = np.array([both.min() / 1.6, both.max() * 1.6])
    axes.fill_between(line, line / 2, line * 2, color=WIDE, lw=0)
    axes.fill_between(line, line * 0.75, line * 1.25, color=NARROW, lw=0)
    axes.plot(line, line, color=QUIET, lw=0.8)
    axes.scatter(published, predicted, s=7, color=INK, alpha=0.55, lw=0, zorder=3)
    axes.set(xscale="log", yscale="log", xlim=line, ylim=line)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=6.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=4))
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _misses(axes: Axes, rows: pd.DataFrame, phones: list[str]) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, StrMethodFormatter

    axes.axvspan(0.5, 2, color=WIDE, lw=0)
    axes.axvspan(0.75, 1.25, color=NARROW, lw=0)
    axes.axvline(1, color=QUIET, lw=0.8)
    for place, phone in enumerate(phones):
        ratio = rows.ratio[rows.device == phone].to_numpy(dtype=float)
        if len(ratio):
            height = place + 0.25 * np.sin(2.4 * np.arange(len(ratio)))  # apart, so that many are seen to be many
            axes.scatter(ratio, height, s=7, color=INK, alpha=0.45, lw=0, zorder=3)
            axes.vlines(np.median(ratio), place - 0.4, place + 0.4, color=INK, lw=1.6, zorder=4)
            axes.annotate(str(len(ratio)), (1, place), xycoords=("axes fraction", "data"), xytext=(2, 0),
                          textcoords="offset points", fontsize=6, color=QUIET, va="center")  # fmt: skip
    axes.set(xscale="log", ylim=(len(phones) - 0.4, -0.6))
    low, high = min(0.45, float(rows.ratio.min()) / 1.15), max(2.3, float(rows.ratio.max()) * 1.15)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 4) if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(phones)), phones)
    axes.tick_params(labelsize=7)


def plot_costs(path: str | Path, table: pd.DataFrame | None = None) -> Path:
    """Heat map of the hours of one personalisation by phone and LLM; grey where the LLM does not fit.

    Of more than `MOST_PHONES` a row is a tier and a year: the median of its phones that fit, and how many do where not
    all. `table` as `cost_table` makes it (default: the whole catalogue). Returns the path of the written picture.
    """
    from matplotlib.colors import LogNorm

    costs = cost_table() if table is None else table
    known = phones()
    ids = sorted(costs.phone_id.unique(), key=lambda i: (TIERS.index(known[i].tier), known[i].release_year, i))
    llms = [name for name in COST_LLMS if name in set(costs.llm)] or list(costs.llm.unique())
    each = (costs.pivot(index="phone_id", columns="llm", values="minutes") / 60).loc[ids, llms]
    many = len(ids) > MOST_PHONES
    names = [
        f"{known[i].tier}, {known[i].release_year}" if many else
        f"{known[i].name} ({known[i].release_year}, {known[i].tier})" for i in ids
    ]  # fmt: skip
    groups = each.groupby(pd.CategoricalIndex(names, list(dict.fromkeys(names))), observed=True)
    hours, fit, size = groups.median().to_numpy(), groups.count().to_numpy(), groups.size()
    labels = [f"{name} ({count})" if many else str(name) for name, count in size.items()]
    figure = _new(min(PAGE_IN[0], 3.2 + 0.62 * len(llms)), min(PAGE_IN[1], 1.5 + 0.24 * len(labels)))
    axes = figure.subplots()
    axes.set_facecolor("#dddddd")
    image = axes.imshow(np.ma.masked_invalid(hours), norm=LogNorm(0.05, 50), cmap="viridis_r", aspect="auto")
    for (i, j), value in np.ndenumerate(hours):
        text = "no fit" if np.isnan(value) else f"{value:.1f}" if value < 10 else f"{value:.0f}"
        part = f"  {fit[i, j]}/{size.iloc[i]}" if 0 < fit[i, j] < size.iloc[i] else ""
        axes.text(j, i, text + part, ha="center", va="center", fontsize=6.5,
                  color=QUIET if np.isnan(value) else "white" if value > 1 else INK)  # fmt: skip
    axes.set_xticks(range(len(llms)), llms, rotation=35, ha="right", fontsize=7.5)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.set_title(
        "Hours of one personalisation from scratch\n(1000 LoRA steps of 98 tokens, fp16, tuned CPU)", fontsize=9
    )
    if many:
        axes.set_xlabel(
            "median of the phones (number) of a tier and year that fit, and how many do where not all", fontsize=7.5
        )
    bar = figure.colorbar(image, ax=axes, fraction=0.03, format="%g")
    bar.set_label("hours", fontsize=7.5)
    bar.ax.tick_params(labelsize=7)
    return _save(figure, path)
