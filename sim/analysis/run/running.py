"""What a run that is under way shows so far, from its rows as they come."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sim.analysis.rules import RESTART, Tuning, restart
from sim.experiment.names import SCRATCH
from sim.messages import Job
from sim.records.savings import share_saved
from sim.records.tables import FITTING, Row

SAVED = f"compute saved, choosing included (rule {RESTART})"
"""What `Savings` are called, wherever they are shown."""


class Savings:
    """Running mean, by strategy, of the FLOPs saved against the same users from scratch, choosing included.

    The `compute_saved_total` of summary.csv under the rule RESTART, as far as it is known: over users who trained and
    whose phone fits the LLM.
    """

    MOST = 10_000
    """Users whose costs from scratch are remembered: memory does not grow with the run."""

    def __init__(self) -> None:
        self._scratch: dict[int, float] = {}
        self._saved: dict[str, list[float]] = {}

    def add(self, job: Job, rows: Sequence[Row]) -> None:
        """Take in the rows of users.csv that a job became."""
        for row in rows:
            # no steps where nobody trained or the user failed, no bill where the phone is too small
            if row.get("steps_to_target", "") == "" or row["fits"] not in FITTING:
                continue
            user, flops = int(row["user_id"] or 0), float(row["finetune_flops"] or 0)
            if job.strategy == SCRATCH:
                self._scratch[user] = flops
                continue
            scratch = self._scratch.get(user, math.nan)
            counted, steps = (float(row[name] or 0) for name in ("steps_to_target", "steps"))
            paid = restart(Tuning.of(flops, counted, steps, row["censored"] is True, scratch))
            saved = float(share_saved(float(row["selection_flops"] or 0) + paid, scratch))
            if not math.isnan(saved):
                sums = self._saved.setdefault(job.strategy, [0.0, 0.0])
                sums[0] += saved
                sums[1] += 1
        if job.strategy != SCRATCH and len(self._scratch) > self.MOST:
            self._scratch.clear()

    @property
    def means(self) -> dict[str, float]:
        """The share saved, by strategy, in the order in which strategies were first heard of."""
        return {name: total / n for name, (total, n) in self._saved.items()}

    def __str__(self) -> str:
        return "  ".join(f"{name} {mean:.0%}" for name, mean in self.means.items())
