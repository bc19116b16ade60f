"""The headline in short: both regimes side by side, as a table and as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from docs.make.summaries import REFERENCE, ROOT, Of, bounds_of, markdown, read_summary
from sim.analysis.look.figures import DARK, ERROR_BARS, LIGHT, list_downwards, new_figure, save, styled
from sim.analysis.rules import RESTART
from sim.analysis.sweep.table import load_sweep
from sim.analysis.tables import load_run

PICTURE = ROOT / "docs" / "img" / "headline.png"
SWEEP = "headline"
REGIMES = {"peers": "peers", "rich": "rich pool"}
COLUMNS = {"right pLLM, %": Of("selection_accuracy"), "compute saved, %": Of("compute_saved_total")}


def regimes(name: str) -> str:
    """The main columns of a sweep over `pool.texts`, the regime that flatters less first."""
    summaries = {regime: read_summary(f"{name} where pool.texts={regime}") for regime in REGIMES}
    lines = []
    for strategy in summaries["peers"].index.get_level_values(0).unique():
        cells = [bounds_of(s, of._replace(strategy=strategy)) for s in summaries.values() for of in COLUMNS.values()]
        lines.append([f"`{strategy}`", *cells])
    headings = [f"{regime}: {column}" for regime in summaries for column in COLUMNS]
    return markdown(["strategy", *headings], lines)


def chart() -> Figure:
    """Compute saved by strategy in both regimes, choosing included, with 95 % intervals."""
    with styled():
        figure = new_figure(height_in=2.9)
        (axes,) = figure.subplots(1, 1, squeeze=False).ravel()
        summaries = [read_summary(f"{SWEEP} where pool.texts={regime}") for regime in REGIMES]
        strategies = list(summaries[0].index.get_level_values(0).unique())
        rows = list_downwards(axes, strategies)
        height = 0.38
        for at, summary, regime, colour in zip((-0.5, 0.5), summaries, REGIMES, (DARK, LIGHT), strict=True):
            picked = summary.loc[[(s, "compute_saved_total", RESTART) for s in strategies]]
            mean, low, high = (100 * picked[part].to_numpy(float) for part in ("mean", "low", "high"))
            ends = np.nan_to_num([mean - low, high - mean])
            axes.barh(
                rows + at * height, mean, height, label=_label(regime), color=colour, xerr=ends, error_kw=ERROR_BARS
            )
        axes.axvline(0, color="#222222", linewidth=0.8)
        axes.set_xlabel("compute saved against training from scratch, choosing included, %")
        axes.legend(loc="lower left")
        return figure


def _label(regime: str) -> str:
    """A regime, and how much the owners of its pLLMs have written by its config."""
    runs = (load_run(folder) for s in load_sweep(REFERENCE / SWEEP).settings for folder in s.folders)
    (texts,) = {run.config.owner_texts for run in runs if run.config and run.config.pool.texts == regime}
    return f"{REGIMES[regime]}: owners wrote {texts} texts"


def draw(path: Path = PICTURE) -> Path:
    """Write the picture."""
    return save(chart(), path)
