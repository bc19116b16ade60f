"""How good explanations are, user by user: by the words that are shown, and by what is known of the true style."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from sim.analysis.tables import Run, corpus_of, parts_of, records
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
        said = Said.by(strategy, run)
        for row in records(run.users.loc[run.users["strategy"] == strategy, ["user_id", "style", "chosen"]]):
            user, chosen = int(row["user_id"]), parts_of(str(row["chosen"]), said.pllms)
            if said.users and (chosen or user in said.users):  # else there was nothing to explain, or nobody left
                for name, value in _of_user(said, vocabulary, user, str(row["style"]), chosen).items():
                    found[name].loc[user, strategy] = value
    return found


def _of_user(said: Said, vocabulary: Vocabulary, user: int, style: str, chosen: Sequence[str]) -> dict[str, float]:
    everything = said.of(f"user {user}")
    words = shown(everything)
    more = [word for word, z in words if z > 0]
    out = {"fidelity": float(_gives(said, words) in chosen)} if chosen else {}
    if words:
        out["contradictions"] = float(_contradicts(vocabulary, words))
        out["contradictions_said"] = float(_contradicts(vocabulary, shown(everything, consistent=False)))
    styles = parts_of(style, vocabulary.words)
    if all(name in vocabulary.words for name in styles):
        true = _together(vocabulary.words[name] for name in styles)
        if more:
            out["word_precision"] = float(np.mean([word in true for word in more[:FIRST]]))
            out["word_chance"] = float(np.mean([word in true for word in said.words]))
        if any(name in vocabulary.tone for name in styles):
            tone = _together(vocabulary.tone.get(name, ()) for name in styles)
            out["tone_first"] = float(bool(more) and more[0] in tone)
    return out


def _gives(said: Said, words: Words) -> str:
    """The pLLM of which the shown words are truest, by cosine; '' where none or several are."""
    strength = dict(words)
    wanted = np.array([strength.get(word, 0.0) for word in said.words])
    with np.errstate(all="ignore"):  # whatever a file says
        length = np.linalg.norm(said.of_pllms, axis=1)
        if not words or not length.any():
            return ""
        near = said.of_pllms @ wanted / np.where(length > 0, length, np.inf)
        (best,) = np.nonzero(near >= near.max() - 1e-9 * np.linalg.norm(wanted))
    return said.pllms[best[0]] if len(best) == 1 else ""


def _contradicts(vocabulary: Vocabulary, words: Words) -> bool:
    pairs = ((a, b) for i, a in enumerate(words) for b in words[:i] if (a[1] > 0) == (b[1] > 0))
    return any(vocabulary.contradict(a[0], b[0]) for a, b in pairs)


def _together(sets: Iterable[Collection[str]]) -> set[str]:
    return {word for some in sets for word in some}
