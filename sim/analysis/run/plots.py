"""The figures of a run. Each function draws one from a Run, or returns None where the run lacks the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sim.analysis.bootstrap import Interval, mean_intervals, share_intervals
from sim.analysis.everyone import Everyone
from sim.analysis.look.figures import (
    DARK,
    ERROR_BARS,
    LIGHT,
    MIDDLE,
    label,
    label_value,
    list_downwards,
    looks,
    new_figure,
    save,
    styled,
)
from sim.analysis.measures import climbed, per_user
from sim.analysis.rules import MEANING, RESTART
from sim.analysis.run.demanded import demanded_loss
from sim.analysis.run.latent import latent_levels
from sim.analysis.run.phones import phones
from sim.analysis.run.waves import by_wave
from sim.analysis.summary import number
from sim.analysis.tables import Run, held
from sim.experiment.names import SCRATCH


def savings(run: Run) -> Figure | None:
    """Compute, time and energy saved against scratch by strategy (rule RESTART), with and without selection, in %."""
    metrics = per_user(run)
    names = [s for s in run.strategies if s != SCRATCH and metrics["compute_saved"][s].notna().any()]
    if not names:
        return None
    figure = new_figure(height_in=1.3 + 0.42 * len(names))
    panels = figure.subplots(1, 3, sharey=True)
    for axes, what in zip(panels, ("compute", "time", "energy"), strict=True):
        rows = list_downwards(axes, names)
        bars = (
            (f"{what}_saved_total", DARK, "////", "selection included"),
            (f"{what}_saved", LIGHT, "", "fine-tuning alone"),
        )
        for offset, (metric, colour, hatch, part) in zip((-0.19, 0.19), bars, strict=True):
            found = mean_of(run, 100 * metrics[metric][names])
            spread = np.nan_to_num(np.abs([found.value - found.low, found.high - found.value]))
            axes.barh(rows + offset, found.value, 0.36, color=colour, hatch=hatch, label=part, xerr=spread,
                      error_kw=ERROR_BARS)  # fmt: skip
            for row, mean, high in zip(rows + offset, found.value, found.high, strict=True):
                cut = "\N{BLACK LEFT-POINTING SMALL TRIANGLE} " if mean < -100 else ""
                label_value(axes, np.nanmax([mean, high, 0]), row, f"{cut}{mean:.0f}")
        axes.axvline(0, color="#222222", linewidth=0.8)
        axes.set_title(what)
        axes.set_xlabel("saved against scratch (%)")
    lowest = min(axes.get_xlim()[0] for axes in panels)
    lowest = -112.0 if lowest < -112 else min(lowest, -3)  # what lies below is cut and only written down
    for axes in panels:
        axes.set_xlim(lowest, 122)
        axes.set_xticks([t for t in (-100, -50, 0, 50, 100) if t >= lowest])
    handles, labels = panels[0].get_legend_handles_labels()
    title = f"rule {RESTART}: {MEANING}"
    figure.legend(handles, labels, loc="outside upper right", ncols=2, title=title, title_fontsize=8)
    return figure


def learning_curves(run: Run) -> Figure | None:
    """Mean held-out loss by measured step with its 95 % band, and the mean target."""
    curves = run.curves[run.curves["amount"] == 1.0]
    if curves.empty:
        return None
    figure = new_figure(height_in=3.5)
    axes = figure.subplots()
    for strategy, look in looks(run.strategies).items():
        losses = held(curves[curves["strategy"] == strategy], int(curves["step"].max()))
        if losses.empty:
            continue
        steps, found = losses.columns.to_numpy(dtype=float), mean_of(run, losses)
        axes.plot(steps, found.value, label=label(strategy), markevery=max(1, len(steps) // 10), **look.plot)
        axes.fill_between(steps, found.low, found.high, color=look.colour, alpha=0.18, linewidth=0)
    target = run.users.groupby("user_id")["target_loss"].first().mean()
    if np.isfinite(target):
        axes.axhline(target, color="#222222", linewidth=1, linestyle=(0, (6, 3)), zorder=1, label="mean target")
    axes.set_xlabel("step of fine-tuning (measured); a user who is done keeps the last loss")
    axes.set_ylabel("held-out loss (nats per token)")
    axes.set_xlim(left=-0.015 * float(curves["step"].max()))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    return figure


def mean_of(run: Run, table: pd.DataFrame) -> Interval:
    """Means of the columns of a table that has a row for some users."""
    return mean_intervals(table.reindex(run.user_ids).to_numpy(), Everyone((run,)).sample, run.seed)


def where_time_goes(run: Run) -> Figure | None:
    """Mean minutes of selection, downloads and fine-tuning on the phone, stacked, by strategy."""
    metrics = per_user(run)
    names = [s for s in run.strategies if metrics["total_min"][s].notna().any()]
    if not names:
        return None
    figure = new_figure(height_in=1.1 + 0.32 * len(names))
    axes = figure.subplots()
    rows = list_downwards(axes, names)
    left = np.zeros(len(names))
    parts = (
        ("selection", metrics["selection_s"] / 60, DARK, "////"),
        ("downloads", metrics["download_s"] / 60, "#f0f0f0", "xxxx"),
        ("fine-tuning", metrics["finetune_min"], MIDDLE, ""),
    )
    for part, minutes, colour, hatch in parts:
        width = minutes[names].mean().fillna(0).to_numpy()
        with styled(hatch_color="#555555" if part == "downloads" else "white"):
            axes.barh(
                rows,
                width,
                0.62,
                left=left,
                color=colour,
                hatch=hatch,
                label=part,
                edgecolor="white",
                linewidth=0.4,
            )
        left += width
    total = mean_of(run, metrics["total_min"][names])
    spread = np.nan_to_num(np.abs([total.value - total.low, total.high - total.value]))
    axes.errorbar(total.value, rows, xerr=spread, fmt="none", **ERROR_BARS)
    for row, mean, high in zip(rows, total.value, total.high, strict=True):
        label_value(axes, np.nanmax([mean, high]), row, number(mean))
    axes.set_xlim(0, 1.1 * np.nanmax([total.value, total.high]))
    axes.set_xlabel(f"minutes on the phone, mean over users with its 95 % interval; rule {RESTART}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return figure


def data_ladder(run: Run) -> Figure | None:
    """Share of users that reach the target with at most an amount of their texts, in %, with intervals."""
    rungs = climbed(run)
    if rungs.empty:
        return None
    figure = new_figure(height_in=3.2)
    axes = figure.subplots()
    names = [s for s in run.strategies if (rungs["strategy"] == s).any()]
    dodge, caps = 5 / max(len(names), 6), 2 if len(names) <= 6 else 0  # side by side; many intervals must be faint
    for i, strategy in enumerate(names):
        look = looks(run.strategies)[strategy]
        mine = rungs[rungs["strategy"] == strategy].astype({"reached": float})
        reached = mine.pivot(index="user_id", columns="amount", values="reached").cummax(axis=1)
        found = share_intervals(reached.reindex(run.user_ids).to_numpy(), Everyone((run,)).sample)
        value = 100 * found.value
        spread = 100 * np.nan_to_num(np.abs([found.value - found.low, found.high - found.value]))
        amounts = 100 * reached.columns.to_numpy(dtype=float) + dodge * (i - (len(names) - 1) / 2)
        bars = axes.errorbar(
            amounts, value, yerr=spread, label=label(strategy), elinewidth=0.8, capsize=caps, **look.plot
        )
        for part in (*bars.lines[1], *bars.lines[2]):
            part.set_alpha(1.0 if caps else 0.35)
    axes.set_xticks(100 * np.sort(rungs["amount"].unique()))
    axes.set_ylim(-4, 104)
    axes.set_xlabel("amount of the user's texts (%)")
    axes.set_ylabel("users that reach the target (%)")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    return figure


FIGURES: dict[str, Callable[[Run], Figure | None]] = {
    "savings": savings,
    "demanded_loss": demanded_loss,
    "learning_curves": learning_curves,
    "where_time_goes": where_time_goes,
    "data_ladder": data_ladder,
    "phones": phones,
    "latent_levels": latent_levels,
    "waves": by_wave,
}


def draw(name: str, run: Run) -> Figure | None:
    """Draw one of `FIGURES` in the project's look; None where the run lacks the data."""
    with styled():
        return FIGURES[name](run)


def draw_all(run: Run, folder: Path, kind: str = "png") -> list[Path]:
    """Write every figure that the run has data for, as files of a kind: png (200 dpi), svg or pdf."""
    drawn = {name: figure for name in FIGURES if (figure := draw(name, run)) is not None}
    return [save(figure, folder / f"{name}.{kind}") for name, figure in drawn.items()]
