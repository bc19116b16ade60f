"""How good explanations are, user by user: by the words that are shown, and by what is known of the true style."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from sim.analysis.tables import Run, corpus_of, parts_of
from sim.analysis.words.said import Said
from sim.analysis.words.shown import Words, opposite, shown
from sim.corpus import Corpus

QUALITY = ("tone_first", "word_precision", "word_chance", "contradictions", "contradictions_said", "fidelity")
FIRST = 3
"""Words whose precision is measured."""
TONE = "tone"
"""The axis that should be named first."""
_known: WeakKeyDictionary[Run, dict[str, pd.DataFrame]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Vocabulary:
    """What a corpus knows of styles in words: by style its own and those of its tone, by axis those of each value."""

    words: Mapping[str, Collection[str]]
    tone: Mapping[str, Collection[str]]
    axes: Mapping[str, Mapping[str, Collection[str]]]
    levels: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, corpus: Corpus | None) -> Vocabulary:
        if corpus is None:
            return cls({}, {}, {}, {})
        tones = corpus.vocabulary.get(TONE, {})
        styles = corpus.styles.items()
        return cls(
            {name: style.adjectives for name, style in styles if style.adjectives},
            {name: tones[style.axes[TONE]] for name, style in styles if style.axes.get(TONE, "") in tones},
            corpus.vocabulary,
            corpus.levels,
        )

    def contradict(self, one: str, other: str) -> bool:
        """Whether no style is both: two words are opposites, or apart on an axis that has an order or just two values.

        Apart: whatever values of that axis the two describe are at least half of the axis from each other.
        """
        return opposite(one, other) or any(self._apart(axis, one, other) for axis in self.axes)

    def _apart(self, axis: str, one: str, other: str) -> bool:
        values = self.axes[axis]
        order = list(self.levels.get(axis, values if len(values) == 2 else ()))
        a, b = ([order.index(v) for v in order if word in values.get(v, ())] for word in (one, other))
        return bool(a and b) and min(abs(i - j) for i in a for j in b) >= max(1, (len(order) - 1) / 2)


def quality(run: Run) -> dict[str, pd.DataFrame]:
    """The measures of `QUALITY`, as `sim.analysis.measures.recorded` has its own; NaN where one is not defined."""
    if run not in _known:
        _known[run] = _measured(run)
    return _known[run]


def _measured(run: Run) -> dict[str, pd.DataFrame]:
    found = {name: run.wide("amount") * np.nan for name in QUALITY}
    explaining = [s for s in run.strategies if (run.words["strategy"] == s).any()]
    vocabulary = Vocabulary.of(corpus_of(run) if explaining else None)
    for strategy in explaining:
        judge = _Judge(Said.by(strategy, run), vocabulary)
        mine = run.users[run.users["strategy"] == strategy]
        rows = zip(map(int, mine["user_id"]), mine["style"], mine["chosen"], strict=True)
        of_users = {user: judge.measured(user, style, chosen) for user, style, chosen in rows}
        for name, table in found.items():
            table[strategy] = [of_users.get(user, {}).get(name, np.nan) for user in run.user_ids.tolist()]
    if not run.versions.empty:  # of pLLMs that joined a pool later the words are not recorded
        found["fidelity"] = found["fidelity"] * np.nan
    return found


class _Judge:
    """Measures of what one strategy said, user by user."""

    def __init__(self, said: Said, vocabulary: Vocabulary) -> None:
        self._said, self._vocabulary = said, vocabulary
        self._contradict = lru_cache(maxsize=10_000)(vocabulary.contradict)
        self._explained = frozenset(said.users)

    def measured(self, user: int, style: str, joined: str) -> dict[str, float]:
        """The measures of `QUALITY` that are defined for a user of a style (or several) with these pLLMs, joined."""
        chosen = parts_of(joined, self._said.pllms)
        if not self._explained or not (chosen or user in self._explained):  # nothing to explain, or nobody left
            return {}
        everything = self._said.of(user)
        words = shown(everything)
        out = {"fidelity": float(self._gives(words) in chosen)} if chosen else {}
        if words:
            out["contradictions"] = float(self._contradicts(words))
            out["contradictions_said"] = float(self._contradicts(shown(everything, consistent=False)))
        return out | self._truth([word for word, z in words if z > 0], style)

    def _truth(self, more: Sequence[str], style: str) -> dict[str, float]:
        """The measures that compare the words of which a user has more with the true style."""
        out = {}
        of, tones = self._vocabulary.words, self._vocabulary.tone
        styles = parts_of(style, of)
        if more and all(name in of for name in styles):
            true = {word for name in styles for word in of[name]}
            out["word_precision"] = float(np.mean([word in true for word in more[:FIRST]]))
            out["word_chance"] = float(np.mean([word in true for word in self._said.words]))
        if all(name in of for name in styles) and any(name in tones for name in styles):
            out["tone_first"] = float(bool(more) and any(more[0] in tones.get(name, ()) for name in styles))
        return out

    def _gives(self, words: Words) -> str:
        """The pLLM of which the shown words are truest, by cosine; '' where none or several are."""
        said, strength = self._said, dict(words)
        wanted = np.array([strength.get(word, 0.0) for word in said.words])
        with np.errstate(all="ignore"):  # whatever a file says
            length = np.linalg.norm(said.of_pllms, axis=1)
            if not words or not length.any():
                return ""
            near = said.of_pllms @ wanted / np.where(length > 0, length, np.inf)
            (best,) = np.nonzero(near >= near.max() - 1e-9 * np.linalg.norm(wanted))
        return said.pllms[best[0]] if len(best) == 1 else ""

    def _contradicts(self, words: Words) -> bool:
        pairs = itertools.combinations(words, 2)
        return any((a[1] > 0) == (b[1] > 0) and self._contradict(a[0], b[0]) for a, b in pairs)
