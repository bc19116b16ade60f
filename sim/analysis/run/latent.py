"""Distances of explanations' coordinates between the levels of one axis of style: whether their space is faithful.

As XPerT's authors asked it (Wang et al., MobiSys 2025): pLLMs that differ in nothing but a level (elementary to expert,
or slang to corporate) should lie the further apart the more levels are between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.analysis.look.figures import label, new_figure
from sim.analysis.tables import Run, corpus_of
from sim.published import paper
from sim.records.tables import PLLM


@dataclass(frozen=True, eq=False)
class LevelDistances:
    """L1 distances of coordinates between pLLMs (pllms, pllms), in the unit of the coordinates, and their levels."""

    axis: str
    levels: tuple[str, ...]
    apart: np.ndarray
    level: np.ndarray

    @property
    def pllms(self) -> int:
        """Their number."""
        return len(self.level)

    @cached_property
    def matrix(self) -> np.ndarray:
        """Mean distance between levels, shape (levels, levels).

        On the diagonal are pLLMs of the same level, trained on other texts (0 where there is one).
        """
        return np.asarray(self._means(np.ones((1, self.pllms)))[0])

    @property
    def normalised(self) -> np.ndarray:
        """The matrix as shares of its largest entry."""
        return np.asarray(_shares(self.matrix))

    def drawn(self, rng: np.random.Generator, draws: int) -> np.ndarray:
        """`normalised` when the pLLMs of each level are drawn anew, with replacement: shape (draws, levels, levels)."""
        often = np.zeros((draws, self.pllms))
        for level in range(len(self.levels)):
            (mine,) = np.nonzero(self.level == level)
            often[:, mine] = rng.multinomial(len(mine), np.full(len(mine), 1 / len(mine)), size=draws)
        return np.asarray(_shares(self._means(often)))

    def _means(self, often: np.ndarray) -> np.ndarray:
        """Mean distances between levels, for pLLMs that count so often: (draws, pllms) -> (draws, levels, levels)."""
        member = (self.level[:, None] == np.arange(len(self.levels))).astype(float)
        weighted = often[:, :, None] * member
        count = member.sum(0)
        pairs = np.outer(count, count) - np.diag(count)
        return np.asarray(
            np.einsum("nia,ij,njb->nab", weighted, self.apart, weighted, optimize=True) / np.maximum(pairs, 1)
        )

    @property
    def spearman(self) -> float:
        """Rank correlation of distance with how many levels apart, over all pairs of different levels."""
        pairs = np.triu_indices(len(self.levels), 1)
        table = pd.DataFrame({"apart": pairs[1] - pairs[0], "distance": self.matrix[pairs]})
        return float(table.rank().corr().to_numpy()[0, 1])


def latent_space(run: Run) -> list[LevelDistances]:
    """The distances for every axis of which the pool has three levels or more in styles that have no other axis.

    Coordinates are those of the first strategy that has any. None where the corpus knows no levels, as those of
    files, or (one's own) is not at hand.
    """
    corpus = corpus_of(run)
    if corpus is None or not corpus.levels:
        return []
    style_of = dict(zip(run.pool["pllm"], run.pool["style"], strict=True))
    of_pllms = (run.words["owner_kind"] == PLLM) & run.words["owner"].isin(list(style_of))
    words = run.words[of_pllms & run.words["coordinate"].notna()]
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
            at = z.loc[[pllm for level in there for pllm in members[level]]].to_numpy()
            number = np.repeat(np.arange(len(there)), [len(members[level]) for level in there])
            found.append(LevelDistances(axis, there, np.abs(at[:, None] - at[None]).sum(axis=2), number))
    return found


def _shares(matrix: np.ndarray) -> np.ndarray:
    """Matrices (..., levels, levels) as shares of the largest entry of each."""
    largest = matrix.max(axis=(-2, -1), keepdims=True)
    return np.asarray(matrix / np.where(largest > 0, largest, 1.0))


def latent_levels(run: Run) -> Figure | None:
    """The distances as matrices, an axis each, and XPerT's beside them."""
    found = latent_space(run)
    if not found:
        return None
    panels = [(f"{d.axis} (Spearman {d.spearman:.2f})", d.levels, d.normalised) for d in found]
    published = np.zeros((4, 4))
    for pair, value in paper().series("levels").published.items():
        i, j = (int(level) - 1 for level in pair.split("-"))
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
