"""What a strategy said of users and pLLMs in words, each beyond what it says of all pLLMs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.analysis.tables import Run
from sim.analysis.words.shown import Words


@dataclass(frozen=True, eq=False)
class Said:
    """Strengths of a strategy's `words`, 0 of a word that it did not say of somebody.

    A strength is what stands in words.csv, less its mean over the pLLMs: what is said of everybody sets nobody apart.

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
        rows = rows.drop_duplicates(["owner", "word"], keep="last")
        grid = rows.pivot(index="owner", columns="word", values="strength").reindex(columns=rows["word"].unique())
        pllms = [str(owner) for owner in dict.fromkeys(run.pool["pllm"]) if owner in grid.index]
        users = [int(user) for user in run.user_ids if f"user {user}" in grid.index]
        pool = grid.loc[pllms]
        contrasted = len(pllms) > 1
        usual = pool.mean().fillna(0.0) if contrasted else 0.0
        mine = grid.loc[[f"user {user}" for user in users]]
        return cls(
            tuple(map(str, grid.columns)),
            tuple(pllms),
            (pool - usual).fillna(0.0).to_numpy(),
            tuple(users),
            (mine - usual).fillna(0.0).to_numpy(),
            contrasted,
        )

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        of_users = {f"user {user}": row for user, row in zip(self.users, self.of_users, strict=True)}
        return dict(zip(self.pllms, self.of_pllms, strict=True)) | of_users

    def of(self, owner: str) -> Words:
        """All that was said of 'user N' or a pLLM, the largest strength first."""
        row = self._rows.get(owner, np.zeros(0))
        order = [i for i in np.argsort(-row, kind="stable") if row[i]]
        return tuple((self.words[i], float(row[i])) for i in order)
