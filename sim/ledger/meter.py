"""The meter: from what was measured of users to their rows in the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from devices import Device, Llm
from devices.basics import Floats, Numbers
from sim.common.overlap import OVERLAP
from sim.experiment.config import Config
from sim.ledger.bill import Tuned, alike, bill, cells, check_phases
from sim.ledger.identity import identity_columns
from sim.ledger.prices import Priced
from sim.ledger.real import Real, total_flops
from sim.ledger.target import Target
from sim.ledger.terms import Terms
from sim.ledger.work import Work, floats_of, stacked
from sim.llm.adapters import kind_of
from sim.messages import Counts, Job, Outcome
from sim.pool.offers import OfferCost
from sim.population.hours import Hours
from sim.population.phones import drawn_devices, known_phones
from sim.records.tables import FITTING, USER, Cell, Row, Rows, word_rows

LEARNT = (
    *("start_loss", "target_loss", "final_loss", "best_loss", "validation_loss", "kept_step", "kept_loss"),
    *OVERLAP,
    *("steps_to_target", "censored"),
)
"""Columns that training fills: empty where nobody trained."""

POISONED = ("poisoned_start", "backdoored_start", "backdoored")
"""Columns that say what attackers did: empty where there are none."""


class Meter:
    """Turns outcomes into rows.

    Args:
        llms: architectures of the LLMs that are really run, by what they are used as; None where not known.
        handlers: how each kind of request is priced.
        text_tokens: measured tokens of a mean text.
    """

    def __init__(
        self, config: Config, llms: Mapping[str, Llm | None], handlers: Mapping[str, Priced], text_tokens: float
    ) -> None:
        check_phases(handlers)
        self.config, self.handlers = config, handlers
        self.terms = Terms.of(config, text_tokens)
        self.phones, self._hours = known_phones(config.population), Hours(config)
        self._adapter = kind_of(config.training)
        self._real = Real(llms, handlers)

    def rows(self, job: Job, outcomes: Sequence[Outcome], targets: Mapping[int, float], steps: float) -> Rows:
        """The rows of a job, by table.

        Args:
            targets: users' target losses; of a user who did not train none is needed.
            steps: billed steps for each measured step.
        """
        users = self._user_rows(job, outcomes, targets, self.terms.at(steps))
        rows: dict[str, list[Row]] = {job.table: users, "curves": [], "work": [], "choices": [], "words": []}
        for outcome in outcomes:
            key: Row = {"user_id": outcome.user_id, "strategy": job.strategy}
            rows["curves"] += [{**key, "amount": job.amount, "step": s, "loss": v} for s, v in outcome.curve]
            rows["work"] += [
                {**key, "amount": job.amount, "work": kind, "llm": llm, "count": name, "number": float(number)}
                for (kind, llm), counts in Work(outcome.work).items()
                for name, number in counts.items()
            ]
            if job.amount == 1.0:
                ranked = sorted(outcome.scores.items(), key=lambda item: (item[1] != item[1], item[1]))  # NaN last
                rows["choices"] += [
                    {**key, "pllm": p, "score": s, "rank": i} for i, (p, s) in enumerate(ranked, start=1)
                ]
                said = outcome.explanation, outcome.coordinates
                rows["words"] += word_rows(USER, str(outcome.user_id), job.strategy, *said)
        return rows

    def offer_rows(self, strategy: str, cost: OfferCost, wave: int = 0) -> list[Row]:
        """What a strategy's offer to a wave cost: the cloud's work, then that of owners, and what these uploaded."""
        rows = self._cloud_rows(strategy, "cloud", cost.cloud, wave)
        rows += self._cloud_rows(strategy, "owners", cost.owners, wave)
        if cost.owners_bytes:
            nothing: Row = {"requests": 0, "tokens": 0.0, "flops": 0.0}
            what: Row = {"strategy": strategy, "by": "owners", "work": "publish", "wave": wave}
            rows.append({**what, **nothing, "bytes_up": float(cost.owners_bytes)})
        return rows

    def _cloud_rows(self, strategy: str, by: str, counts: Counts, wave: int) -> list[Row]:
        """Work by kind: FLOPs on the deployed LLMs, tokens as measured."""
        rows: list[Row] = []
        for kind, by_llm in counts.items():
            work = Work({kind: by_llm}).figures()
            rows.append(
                {
                    "strategy": strategy,
                    "by": by,
                    "work": kind,
                    "requests": int(sum(n["requests"] for n in by_llm.values())),
                    "tokens": float(sum(n.get("tokens", 0) + n.get("written", 0) for n in by_llm.values())),
                    "flops": float(total_flops(work, self.terms.llms, self.terms, self.handlers)),
                    "wave": wave,
                }
            )
        return rows

    def device(self, some: Sequence[Outcome]) -> Device:
        """The users' phones on their networks, each with its own draw of the rates."""
        return drawn_devices(
            self.config.seed,
            [o.user_id for o in some],
            [self.phones[o.phone] for o in some],
            [o.network for o in some],
            self.config.billing.backend,
        )

    def _user_rows(
        self, job: Job, outcomes: Sequence[Outcome], targets: Mapping[int, float], terms: Terms
    ) -> list[Row]:
        learnt = [self._learnt(o, targets.get(o.user_id), terms.steps) for o in outcomes]
        works = [Work(o.work) for o in outcomes]
        bills: dict[int, Row] = {}
        for places in alike(works, [len(o.start) for o in outcomes]):
            billed = np.array([learnt[i]["billed_steps"] for i in places], dtype=np.float64)
            columns = self._billed([outcomes[i] for i in places], [works[i] for i in places], billed, terms)
            for i, row in zip(places, zip(*columns.values(), strict=True), strict=True):
                bills[i] = dict(zip(columns, row, strict=True))
        return [
            {
                **identity_columns(job, outcome, self.phones),
                "chosen": "+".join(chosen := sorted(outcome.start)),
                **{name: outcome.poisoned.get(name) for name in POISONED},
                "correct": set(chosen) <= set(outcome.nearest) if chosen and outcome.nearest else "",
                **learnt[i],
                **bills[i],
            }
            for i, outcome in enumerate(outcomes)
        ]

    def _learnt(self, outcome: Outcome, loss: float | None, scale: float) -> dict[str, Cell]:
        """What training showed, and the steps billed for it; without training those that the config states."""
        if not outcome.curve or loss is None:
            return {
                **dict.fromkeys(LEARNT, ""),
                "steps": outcome.steps,
                "billed_steps": float(self.config.billing.scratch_steps),
            }
        reached = Target.reached(outcome.curve, loss, self.config.training.steps)
        losses, by_step = [value for _, value in outcome.curve], dict(outcome.curve)
        return {
            "start_loss": losses[0],
            "target_loss": loss,
            "final_loss": losses[-1],
            "best_loss": min(losses),
            "validation_loss": outcome.validation_loss,
            "kept_step": outcome.kept_step,
            "kept_loss": by_step[outcome.kept_step],
            **{name: outcome.overlap.get(name) for name in OVERLAP},
            "steps_to_target": reached.step,
            "censored": reached.censored,
            "steps": outcome.steps,
            "billed_steps": reached.step * scale,
        }

    def _billed(
        self, some: Sequence[Outcome], works: Sequence[Work], steps: Floats, terms: Terms
    ) -> dict[str, Sequence[Cell]]:
        """The columns from `fits` to the measured FLOPs, of users whose work is alike. `steps`: billed ones of each."""
        work, adapter = stacked(works), self._adapter.billed(max(1, len(some[0].start)))
        tokens, trained = floats_of([o.train_tokens for o in some]), floats_of([o.steps for o in some])
        tuned = Tuned(steps, terms.step_tokens(tokens, trained), adapter)
        device = self.device(some)
        found = bill(device, work, tuned, terms, self.handlers)
        busy_s = np.broadcast_to(found.busy_s, len(some))
        values = {
            **found.columns(),
            **drawn_columns(device),
            "hours_until_done": self._hours.until_done([o.user_id for o in some], busy_s),
            **self._real.columns(some, work, terms, adapter),
        }
        fits, why = zip(*found.fits(), strict=True)
        return {
            "fits": fits,
            "why": why,
            "billed": [how in FITTING for how in fits],
            **{name: cells(value, len(some)) for name, value in values.items()},
        }


def drawn_columns(device: Device) -> dict[str, Numbers]:
    """The columns of users.csv that say what was drawn of a phone and its connection."""
    return {
        "app_ram_gb": device.usable_bytes / 1e9,
        "down_mbps": device.network.down_mbps,
        "up_mbps": device.network.up_mbps,
        "train_gflop_s": device.train_flop_s / 1e9,
        "prefill_gflop_s": device.prefill_flop_s / 1e9,
        "prefill_float_gflop_s": device.prefill_float_flop_s / 1e9,
    }
