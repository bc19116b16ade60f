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
    "memory": ("training memory, GB (nothing to hold out)", "gpu_llamacpp"),
}
INK, QUIET = "#222222", "#777777"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933",
           "#882255", "#44AA99", "#117733", "#AA4499", "#661100", "#6699CC")  # fmt: skip


def _new(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def plot_validation(path: str | Path, table: pd.DataFrame | None = None) -> Path:
    """Predicted against published on log axes, one panel an operation, with the 25 % and twofold bands.

    Every point was predicted by constants fitted without its phone. Returns the path of the written picture.
    """
    rows = validate() if table is None else table
    figure, panels = _new(11, 8.6, 2, 2)
    for axes, (operation, (title, backend)) in zip(panels, PANELS.items(), strict=True):
        mine = rows[(rows.operation == operation) & (rows.backend == backend)]
        _scatter(axes, mine)
        error = (mine.ratio - 1).abs().median()
        axes.set_title(f"{title}\n{len(mine)} figures, median error {100 * error:.0f} %", fontsize=10)
        axes.set_xlabel("published")
    panels[0].set_ylabel("predicted, phone held out")
    panels[2].set_ylabel("predicted, phone held out")
    figure.savefig(path, dpi=130)
    return Path(path)


def _scatter(axes: Axes, rows: pd.DataFrame) -> None:
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    published, predicted = rows.published.to_numpy(dtype=float), rows.predicted.to_numpy(dtype=float)
    both = np.concatenate([published, predicted])
    line = np.array([both.min() / 1.6, both.max() * 1.6])
    axes.fill_between(line, line / 2, line * 2, color="#e9e9e9", lw=0, label="within 2x")
    axes.fill_between(line, line * 0.75, line * 1.25, color="#cfcfcf", lw=0, label="within 25 %")
    axes.plot(line, line, color=QUIET, lw=0.8)
    looks = [(marker, colour) for marker in "o^s" for colour in COLOURS]
    for (marker, colour), (device, group) in zip(looks, rows.groupby("device"), strict=False):
        axes.scatter(group.published.astype(float), group.predicted, s=16, color=colour, alpha=0.75, lw=0,
                     marker=marker, label=str(device), zorder=3)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=line, ylim=line)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def plot_costs(path: str | Path, table: pd.DataFrame | None = None) -> Path:
    """Heat map of the hours of one personalisation by phone and LLM; grey where the LLM does not fit.

    `table` as `cost_table` makes it (default: the whole catalogue). Returns the path of the written picture.
    """
    from matplotlib.colors import LogNorm

    costs = cost_table() if table is None else table
    known = phones()
    ids = sorted(costs.phone_id.unique(), key=lambda i: (TIERS.index(known[i].tier), known[i].release_year, i))
    llms = [name for name in COST_LLMS if name in set(costs.llm)] or list(costs.llm.unique())
    hours = (costs.pivot(index="phone_id", columns="llm", values="minutes") / 60).loc[ids, llms].to_numpy()
    figure, (axes,) = _new(3.5 + 0.85 * len(llms), 1.5 + 0.2 * len(ids))
    axes.set_facecolor("#dddddd")
    image = axes.imshow(np.ma.masked_invalid(hours), norm=LogNorm(0.05, 50), cmap="viridis_r", aspect="auto")
    for (i, j), value in np.ndenumerate(hours):
        text = "no fit" if np.isnan(value) else f"{value:.1f}" if value < 10 else f"{value:.0f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=6,
                  color=QUIET if np.isnan(value) else "white" if value > 2 else INK)  # fmt: skip
    axes.set_xticks(range(len(llms)), llms, rotation=40, ha="right", fontsize=8)
    labels = [f"{known[i].name} ({known[i].release_year}, {known[i].tier})" for i in ids]
    axes.set_yticks(range(len(ids)), labels, fontsize=7)
    axes.set_title(
        "Hours of one personalisation from scratch\n(1000 LoRA steps of 98 tokens, fp16, tuned CPU)",
        fontsize=10,
    )
    figure.colorbar(image, ax=axes, label="hours", fraction=0.03)
    figure.savefig(path, dpi=110)
    return Path(path)
