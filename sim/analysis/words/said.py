"""What a strategy said of users and pLLMs in words, each beyond what it says of all pLLMs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.analysis.tables import Run
from sim.analysis.words.shown import Words
from sim.records.tables import PLLM, USER

OWNER = ["owner_kind", "owner"]


@dataclass(frozen=True, eq=False)
class Said:
    """Strengths of a strategy's `words`, 0 of a word that it did not say of somebody.

    What is said of everybody sets nobody apart, so of somebody's strengths in words.csv s is left s - c m. There m is
    their mean over the pLLMs, and c = s.m / (m.m + v) how much of it they have in them, where v is the mean square of a
    pLLM's distance from m: next to nothing of a mean that is itself next to nothing.

    Args:
        pllms: their ids, in the order of the rows of `of_pllms` (pLLMs, words).
        users: numbers of users, in the order of the rows of `of_users` (users, words).
        contrasted: whether there were two pLLMs or more, whose mean could be taken out.
    """

    words: tuple[str, ...]
    pllms: tuple[str, ...]
    of_pllms: np.ndarray
    users: tuple[int, ...]
    of_users: np.ndarray
    contrasted: bool

    @classmethod
    def by(cls, strategy: str, run: Run) -> Said:
        """What a strategy said; of no words where it gives no reasons in any."""
        rows = run.words[(run.words["strategy"] == strategy) & np.isfinite(run.words["strength"])]
        rows = rows.drop_duplicates([*OWNER, "word"], keep="last")
        grid = rows.pivot(index=OWNER, columns="word", values="strength").reindex(columns=rows["word"].unique())
        pllms = [str(owner) for owner in dict.fromkeys(run.pool["pllm"]) if (PLLM, owner) in grid.index]
        users = [int(user) for user in run.user_ids if (USER, str(user)) in grid.index]
        contrasted = len(pllms) > 1
        of_pllms = grid.loc[[(PLLM, pllm) for pllm in pllms]].to_numpy()
        of_users = grid.loc[[(USER, str(user)) for user in users]].to_numpy()
        if contrasted:
            with np.errstate(all="ignore"):  # whatever a file says
                usual = np.nan_to_num(of_pllms).mean(axis=0)
                spread = ((np.nan_to_num(of_pllms) - usual) ** 2).sum(axis=1).mean()
                share = usual / max(float(usual @ usual + spread), 1e-300)
                of_pllms, of_users = (s - np.outer(np.nan_to_num(s) @ share, usual) for s in (of_pllms, of_users))
        words = tuple(map(str, grid.columns))
        return cls(words, tuple(pllms), np.nan_to_num(of_pllms), tuple(users), np.nan_to_num(of_users), contrasted)

    @cached_property
    def _rows(self) -> dict[str | int, np.ndarray]:
        return dict(zip((*self.pllms, *self.users), (*self.of_pllms, *self.of_users), strict=True))

    def of(self, owner: str | int) -> Words:
        """All that was said of a pLLM, by its id, or of a user, by number; the largest strength first."""
        row = self._rows.get(owner, np.zeros(0))
        order = [i for i in np.argsort(-row, kind="stable") if row[i]]
        return tuple((self.words[i], float(row[i])) for i in order)
