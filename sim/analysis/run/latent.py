"""Distances of explanations' coordinates between the levels of one axis of style: whether their space is faithful.

As XPerT's authors asked it (Wang et al., MobiSys 2025): pLLMs that differ in nothing but a level (elementary to expert,
or slang to corporate) should lie the further apart the more levels are between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.analysis.look import label, new_figure
from sim.analysis.tables import Run
from sim.common.errors import UserError
from sim.corpus import CORPORA, open_corpus

PUBLISHED = {(0, 1): 0.34, (0, 2): 0.76, (0, 3): 1.0, (1, 2): 0.47, (1, 3): 0.72, (2, 3): 0.28}
"""XPerT's normalised L1 distances between four levels, by places of the levels."""


@dataclass(frozen=True, eq=False)
class LevelDistances:
    """Mean L1 distance of coordinates between the levels of an axis.

    `matrix` (levels, levels), in the unit of the coordinates; on the diagonal are pLLMs of the same level, trained on
    other texts (0 where there is one). `pllms` is their number.
    """

    axis: str
    levels: tuple[str, ...]
    matrix: np.ndarray
    pllms: int

    @property
    def normalised(self) -> np.ndarray:
        """The matrix as shares of its largest entry."""
        return np.asarray(self.matrix / (self.matrix.max() or 1.0))

    @property
    def spearman(self) -> float:
        """Rank correlation of distance with how many levels apart, over all pairs of different levels."""
        pairs = np.triu_indices(len(self.levels), 1)
        table = pd.DataFrame({"apart": pairs[1] - pairs[0], "distance": self.matrix[pairs]})
        return float(table.rank().corr().to_numpy()[0, 1])


def latent_space(run: Run) -> list[LevelDistances]:
    """The distances for every axis of which the pool has three levels or more in styles that have no other axis.

    Coordinates are those of the first strategy that explains pLLMs. None where the corpus knows no levels, as those of
    files, or (one's own) is not at hand.
    """
    if run.config is None:
        return []
    try:
        if not CORPORA.load(run.config.corpus.source).levels:
            return []
        corpus = open_corpus(run.config.corpus)
    except UserError:
        return []
    style_of = dict(zip(run.pool["pllm"], run.pool["style"], strict=True))
    words = run.words[run.words["owner"].isin(list(style_of))]
    if words.empty:
        return []
    words = words[words["strategy"] == words["strategy"].iloc[0]]
    z = words.pivot(index="owner", columns="word", values="coordinate").fillna(0.0)
    found = []
    for axis, levels in corpus.levels.items():
        members: dict[str, list[str]] = {level: [] for level in levels}
        for pllm in z.index:
            axes = corpus.style(style_of[pllm]).axes
            if set(axes) == {axis}:
                members[axes[axis]].append(pllm)
        there = tuple(level for level in levels if members[level])
        if len(there) > 2:
            at = [z.loc[members[level]].to_numpy() for level in there]
            matrix = np.array([[_apart(a, b) for b in at] for a in at])
            found.append(LevelDistances(axis, there, matrix, sum(map(len, at))))
    return found


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean L1 distance of rows of coordinates; within one level, of different rows."""
    distances = np.abs(one[:, None] - other[None]).sum(axis=2)
    if one is not other:
        return float(distances.mean())
    count = len(one)
    return float(distances.sum() / (count * (count - 1))) if count > 1 else 0.0


def latent_levels(run: Run) -> Figure | None:
    """The distances as matrices, an axis each, and XPerT's beside them."""
    found = latent_space(run)
    if not found:
        return None
    panels = [(f"{d.axis} (Spearman {d.spearman:.2f})", d.levels, d.normalised) for d in found]
    published = np.zeros((4, 4))
    for (i, j), value in PUBLISHED.items():
        published[i, j] = published[j, i] = value
    panels.append(("XPerT, published", ("1", "2", "3", "4"), published))
    figure = new_figure(height_in=2.9)
    for axes, (title, levels, matrix) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _matrix(axes, title, levels, matrix)
    return figure


def _matrix(axes: Axes, title: str, levels: tuple[str, ...], matrix: np.ndarray) -> None:
    axes.imshow(matrix, cmap="Greys", vmin=0, vmax=1.6)
    for (i, j), value in np.ndenumerate(matrix):
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8)
    places = range(len(levels))
    ticks = [label(level, 24) for level in levels]
    axes.set_xticks(places, ticks, rotation=30, ha="right")
    axes.set_yticks(places, ticks)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_title(label(title), fontsize=8.5)
