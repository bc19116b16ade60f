"""Prices: from measured work to what the user's phone is billed for the deployed LLM, and to records.

Steps, tokens and requests are measured on the LLM that is really run. Two stated inputs carry them over to the deployed
one: `billing.scratch_steps` (steps that it needs from scratch) and `billing.tokens_per_text` (its tokens a text).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from devices import Cost, Device, Llm, Network, llm, total
from devices.basics import Numbers
from sim.common.streams import Streams
from sim.experiment.config import Config
from sim.ledger.spent import Spent, forward_flops
from sim.ledger.target import Target
from sim.ledger.work import Work
from sim.messages import Job, Outcome
from sim.population.hours import Hours
from sim.population.users import known_phones
from sim.records.tables import DOES_NOT_FIT, Row, Rows, word_rows


@dataclass(frozen=True)
class Scale:
    """What one measured unit is on the deployed LLM.

    steps: billed steps per measured step. text_tokens: measured tokens of a mean text (0: bill tokens as measured).
    """

    steps: float
    text_tokens: float


class Meter:
    """Turns outcomes into rows.

    Args:
        model, summarizer: architectures of the LLMs that are really run (FLOPs that were really spent), where known.
    """

    def __init__(self, config: Config, model: Llm | None, summarizer: Llm | None) -> None:
        self.config = config
        self.deploy = llm(config.llm.deploy)
        self.judge = llm(config.llm.summarizer_deploy)
        self.phones, self.hours = known_phones(config.population), Hours(config)
        self.targets = config.training.adapted
        self._spent = Spent(config, model, summarizer, self.targets)

    @property
    def pllm_bytes(self) -> float:
        """What a phone downloads for one pLLM: the adapter in fp16, or the whole model as `billing` says."""
        if self.config.pool.ship == "model":
            billing = self.config.billing
            shipped = billing.precision if billing.ship_precision == "same" else billing.ship_precision
            return float(self.deploy.weight_bytes(shipped))
        return float(self.deploy.adapter_bytes(self.config.training.rank, self.targets, "fp16"))

    # ------------------------------------------------------------ rows

    def rows(self, job: Job, outcomes: Sequence[Outcome], targets: Mapping[int, float], scale: Scale) -> Rows:
        """The rows of a job, by table. `targets`: users' target losses; of a user who did not train none is needed."""
        table = "users" if job.amount == 1.0 else "ladder"
        users = self._user_rows(job, outcomes, targets, scale)
        rows: dict[str, list[Row]] = {table: users, "curves": [], "choices": [], "words": []}
        for outcome in outcomes:
            key = {"user_id": outcome.user_id, "strategy": job.strategy}
            rows["curves"] += [{**key, "amount": job.amount, "step": s, "loss": v} for s, v in outcome.curve]
            if job.amount == 1.0:
                ranked = sorted(outcome.scores.items(), key=lambda item: (item[1] != item[1], item[1]))  # NaN last
                rows["choices"] += [
                    {**key, "pllm": p, "score": s, "rank": i} for i, (p, s) in enumerate(ranked, start=1)
                ]
                owner = f"user {outcome.user_id}"
                rows["words"] += word_rows(owner, job.strategy, outcome.explanation, outcome.coordinates)
        return rows

    def _user_rows(
        self, job: Job, outcomes: Sequence[Outcome], targets: Mapping[int, float], scale: Scale
    ) -> list[Row]:
        learnt = [self._learnt(o, targets.get(o.user_id), scale) for o in outcomes]
        bills: dict[int, Row] = {}
        for places in _alike(outcomes):
            steps = np.array([learnt[i]["billed_steps"] for i in places], dtype=np.float64)
            columns = self._bill([outcomes[i] for i in places], steps, scale)
            for i, cells in zip(places, zip(*columns.values(), strict=True), strict=True):
                bills[i] = dict(zip(columns, cells, strict=True))
        return [
            {
                "user_id": outcome.user_id,
                "strategy": job.strategy,
                "amount": job.amount,
                "phone": outcome.phone,
                "tier": self.phones[outcome.phone].tier,
                "network": outcome.network["access"],
                "texts": outcome.texts,
                "style": "+".join(outcome.styles),
                "chosen": "+".join(chosen := sorted(outcome.start)),
                "oracle": outcome.nearest[0] if outcome.nearest else "",
                "correct": set(chosen) <= set(outcome.nearest) if chosen and outcome.nearest else "",
                **learnt[i],
                **bills[i],
                "wall_s": outcome.wall_s,
            }
            for i, outcome in enumerate(outcomes)
        ]

    def _learnt(self, outcome: Outcome, loss: float | None, scale: Scale) -> Row:
        """What training showed, and the steps billed for it; without training those that the config states."""
        if not outcome.curve or loss is None:
            unknown = ("start_loss", "target_loss", "final_loss", "best_loss", "steps_to_target", "censored")
            return {
                **dict.fromkeys(unknown, ""),
                "steps": outcome.steps,
                "billed_steps": float(self.config.billing.scratch_steps),
            }
        reached = Target.reached(outcome.curve, loss, self.config.training.steps)
        losses = [value for _, value in outcome.curve]
        return {
            "start_loss": losses[0],
            "target_loss": loss,
            "final_loss": losses[-1],
            "best_loss": min(losses),
            "steps_to_target": reached.step,
            "censored": reached.censored,
            "steps": outcome.steps,
            "billed_steps": reached.step * scale.steps,
        }

    # ------------------------------------------------------------ the bill: arrays of users whose work is alike

    def _bill(self, some: Sequence[Outcome], steps: np.ndarray, scale: Scale) -> dict[str, list[Any]]:
        """The columns from `fits` to the measured FLOPs. `steps`: billed steps of each user."""
        work, rank = _stacked(some), self._rank(some[0])
        tokens = self._step_tokens(*(np.array([getattr(o, k) for o in some]) for k in ("train_tokens", "steps")))
        device = self.device(some)
        choosing, down = self.selection(device, work, scale), self.download(device, work)
        training = self._train(device, steps, tokens, rank)
        choosing_flops, training_flops = choosing.flops, training.flops
        if np.any(choosing.refused) or np.any(training.refused):
            # FLOPs also where the LLM does not fit: those on the same phone with room for anything. Only there, for a
            # phone that fits by gradient checkpointing computes more than one with room.
            roomy = replace(device, usable_bytes=np.full(len(some), np.inf))
            choosing_flops = np.where(choosing.refused, self.selection(roomy, work, scale).flops, choosing_flops)
            training_flops = np.where(training.refused, self._train(roomy, steps, tokens, rank).flops, training_flops)
        busy_s = np.broadcast_to(choosing.seconds + down.seconds + training.seconds, len(some))
        values = {
            "selection_flops": choosing_flops,
            "selection_s": choosing.seconds,
            "selection_j": choosing.joules,
            "bytes_down": down.bytes_down,
            "bytes_up": 0.0,
            "download_s": down.seconds,
            "download_j": down.joules,
            "finetune_flops": training_flops,
            "finetune_s": training.seconds,
            "finetune_j": training.joules,
            "hours_until_done": self.hours.until_done([o.user_id for o in some], busy_s),
            **self._spent.columns(some, work, rank),
        }
        return {"fits": _fits(choosing, training)} | {name: _cells(value, len(some)) for name, value in values.items()}

    def device(self, some: Sequence[Outcome]) -> Device:
        """The users' phones on their networks, each with its own draw of the rates."""
        figures = (np.array([o.network[k] for o in some]) for k in ("access", "down_mbps", "up_mbps", "latency_ms"))
        rng = Streams(self.config.seed, [o.user_id for o in some], "device")
        phones = [self.phones[o.phone] for o in some]
        return Device.of(phones, Network(*figures), backend=self.config.billing.backend, rng=rng)

    def selection(self, device: Device, work: Work, scale: Scale) -> Cost:
        """What choosing cost: the deployed LLM's forward passes, tokens written and trial steps; the summarizer's."""
        billing = self.config.billing
        per_text, precision, at_once = billing.tokens_per_text, billing.precision, billing.answers_at_once
        unit = per_text / scale.text_tokens if per_text and scale.text_tokens else 1.0
        parts: list[Cost] = []
        if np.any(n := work.evaluate_sequences):
            tokens = work.evaluate_tokens * unit
            parts.append(device.evaluate(self.deploy, tokens, context=tokens / n, precision=precision))
        if np.any(n := work.prefill_sequences):
            tokens = (work.prefill_tokens - work.prefill_fixed_tokens) * unit + work.prefill_fixed_tokens
            parts.append(device.prefill(self.deploy, tokens, context=tokens / n, precision=precision))
            if np.any(work.decode_tokens):
                written = work.decode_tokens * unit
                parts.append(device.decode(self.deploy, written, precision=precision, **_answers(tokens, n, at_once)))
        if np.any(n := work.judge_sequences):
            tokens = (work.judge_tokens - work.judge_fixed_tokens) * unit + work.judge_fixed_tokens
            parts.append(device.prefill(self.judge, tokens, context=tokens / n, logits=0, precision=precision))
            if np.any(work.judge_decode_tokens):
                written = work.judge_decode_tokens * unit
                parts.append(device.decode(self.judge, written, precision=precision, **_answers(tokens, n, at_once)))
        if np.any(steps := work.train_steps):
            step_tokens = self._step_tokens(work.train_tokens, work.train_batches)
            parts.append(self._train(device, steps * scale.steps, step_tokens, self.config.training.rank))
        return total(parts or [device.wait(0)])

    def download(self, device: Device, work: Work) -> Cost:
        return device.download(work.pllm_downloads * self.pllm_bytes + work.offer_bytes)

    def _rank(self, outcome: Outcome) -> int:
        """Rank that fine-tuning has: an exact merge has that of all its pLLMs together."""
        return self.config.training.rank * max(1, len(outcome.start))

    def _train(self, device: Device, billed_steps: Numbers, step_tokens: Numbers, rank: int) -> Cost:
        return device.train(
            self.deploy,
            billed_steps,
            step_tokens,
            rank=rank,
            targets=self.targets,
            precision=self.config.billing.precision,
            checkpointing="auto",
        )

    def _step_tokens(self, tokens: Numbers, steps: Numbers) -> Numbers:
        """Tokens of a step: as many as `billing.tokens_per_step` says, else as were measured."""
        return self.config.billing.tokens_per_step or tokens / np.maximum(steps, 1)

    def cloud_flops(self, work: Work) -> float:
        """FLOPs of the cloud's work on the deployed LLMs, tokens as measured."""
        return float(forward_flops(self.deploy, self.judge, work))


def _answers(prompt_tokens: Numbers, count: Numbers, at_once: int) -> dict[str, Any]:
    """How `Device.decode` is told of as many answers as there were prompts of so many tokens together."""
    return {"context": prompt_tokens / count, "answers": count, "batch": np.minimum(at_once, count)}


KINDS = ("evaluate_sequences", "prefill_sequences", "decode_tokens", "judge_sequences", "judge_decode_tokens")


def _alike(outcomes: Sequence[Outcome]) -> list[list[int]]:
    """Places of outcomes in groups that did the same kinds of work and fine-tuned at the same rank."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for i, outcome in enumerate(outcomes):
        did = (bool(outcome.work.get(kind)) for kind in (*KINDS, "train_steps"))
        groups[(len(outcome.start), *did)].append(i)
    return list(groups.values())


def _stacked(some: Sequence[Outcome]) -> Work:
    """Counts of many users: each field an array (users,)."""
    counts: dict[str, Any] = {
        f.name: np.array([o.work.get(f.name, 0) for o in some], dtype=np.float64) for f in fields(Work)
    }
    return Work(**counts)


def _fits(choosing: Cost, training: Cost) -> list[str]:
    """'yes', 'streamed', or why the phone cannot do it: fine-tuning first, which every strategy needs."""
    shape = training.status.shape
    streamed, refused = (np.broadcast_to(v, shape) for v in (choosing.streamed, choosing.refused))
    out = ["streamed" if s else "yes" for s in streamed]
    for i in np.flatnonzero(refused).tolist():
        out[i] = f"choosing: {choosing.at(i).reason}"
    for i in np.flatnonzero(training.refused).tolist():
        out[i] = DOES_NOT_FIT + training.at(i).reason
    return out


def _cells(value: Any, count: int) -> list[Any]:
    """A column: empty cells where a phase was refused and so has no cost."""
    return ["" if v != v else v for v in np.broadcast_to(np.asarray(value, dtype=np.float64), count).tolist()]
