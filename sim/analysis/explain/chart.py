"""An explanation as a figure: words on the left, candidates on the right where the strategy scores any."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.analysis.explain.explanation import Candidate, Explanation
from sim.analysis.look.figures import (
    ACCENT,
    DARK,
    LIGHT,
    MIDDLE,
    label,
    label_value,
    list_downwards,
    new_figure,
    styled,
)

MOST_CANDIDATES = 12
_CHOSEN_BARS = ((ACCENT, "////"), (LIGHT, "...."), (MIDDLE, "xxxx"))


def chart(e: Explanation) -> Figure:
    """Left: strengths of words, the user's and the chosen pLLM's. Right: candidates by score, the chosen marked."""
    with styled():
        rows = max(len(e.shown), min(len(e.candidates), MOST_CANDIDATES), 4)
        figure = new_figure(height_in=1.8 + 0.24 * rows)
        panels = [_words, _candidates] if _scored(e) else [_words]
        axes = figure.subplots(1, len(panels), width_ratios=(1.1, 1)[: len(panels)], squeeze=False)[0]
        for draw, at in zip(panels, axes, strict=True):
            draw(at, e)
        handles, labels = axes[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower left", ncols=3, handlelength=1.4)
        figure.suptitle(
            label(f"User {e.user_id} (true style: {e.style}), strategy {e.strategy}", most=120),
            fontsize=9.5,
            x=0.01,
            ha="left",
        )
    return figure


def _words(axes: Axes, e: Explanation) -> None:
    axes.set_title("style in words")
    if not e.shown:
        return _nothing(axes, f"{e.strategy} gives no reasons in words")
    rows = list_downwards(axes, [word for word, _ in e.shown])
    series = [(f"user {e.user_id}", dict(e.shown), DARK, "")]
    for (pllm, words), (colour, hatch) in zip(e.chosen_words.items(), _CHOSEN_BARS, strict=False):
        series.append((pllm, dict(words), colour, hatch))
    height = 0.78 / len(series)
    for i, (name, strengths, colour, hatch) in enumerate(series):
        offset = (i - (len(series) - 1) / 2) * height
        values = [strengths.get(word, 0.0) for word, _ in e.shown]
        axes.barh(rows + offset, values, height, color=colour, hatch=hatch, label=label(name))
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set_xlabel("how much more of that word than others" if e.contrasted else "how much of that word")


def _scored(e: Explanation) -> list[Candidate]:
    return [c for c in e.candidates if c.score == c.score]  # a pLLM that diverged has no score


def _candidates(axes: Axes, e: Explanation) -> None:
    axes.set_title("candidates by score")
    shown = [c for c in _scored(e) if c.rank <= MOST_CANDIDATES or c.pllm in e.chosen]
    rows = list_downwards(axes, [f"{c.pllm}  {c.style}" if c.style not in c.pllm else c.pllm for c in shown])
    scores = np.array([c.score for c in shown])
    span = float(np.ptp(scores)) or abs(float(scores[0])) or 1.0
    base = 0.0 if scores.min() >= 0 and scores.min() < 2 * span else float(scores.min()) - 0.3 * span
    for row, c in zip(rows, shown, strict=True):
        picked = c.pllm in e.chosen
        colour = ACCENT if picked else "#8a8a8a"
        axes.hlines(row, base, c.score, color=colour, linewidth=2.4 if picked else 1.2)
        marker, size = ("D", 6.0) if picked else ("o", 4.5)
        axes.plot(c.score, row, marker, color=colour, markersize=size, clip_on=False, zorder=5)
        label_value(axes, c.score, row, f"{c.score:.3g}" + (" chosen" if picked else ""), gap=7)
    for tick, c in zip(axes.get_yticklabels(), shown, strict=True):
        tick.set_fontsize(7.5)
        if c.pllm in e.chosen:
            tick.set_fontweight("bold")
    axes.set_xlim(base, float(scores.max()) + 0.3 * (float(scores.max()) - base or span))
    left_out = len(e.candidates) - len(shown)
    axes.set_xlabel("score (lower is better)" + (f"\n{left_out} more not shown" if left_out else ""))


def _nothing(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, label(text), ha="center", va="center", color="#666666", transform=axes.transAxes)
    axes.set_axis_off()
