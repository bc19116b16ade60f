"""Prices: from measured work to what the user's phone is billed for the deployed LLM, and to records.

Steps, tokens and requests are measured on the LLM that is really run. Two stated inputs carry them over to the deployed
one: `billing.scratch_steps` (steps that it needs from scratch) and `billing.tokens_per_text` (its tokens a text).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from devices import Cost, Device, Llm, Network, llm, total
from sim.cohort import Job, Outcome
from sim.config import Config
from sim.hours import Hours
from sim.records import DOES_NOT_FIT, Row, Rows
from sim.streams import stream
from sim.users import known_phones
from sim.work import Work


@dataclass(frozen=True)
class Scale:
    """What one measured unit is on the deployed LLM.

    steps: billed steps per measured step. text_tokens: measured tokens of a mean text (0: bill tokens as measured).
    """

    steps: float
    text_tokens: float


@dataclass(frozen=True)
class Target:
    """When a lane answered its question."""

    step: int
    censored: bool

    @classmethod
    def reached(cls, curve: Sequence[tuple[int, float]], loss: float, budget: int) -> Target:
        """First evaluated step at or under a loss; the whole budget, marked censored, where there is none."""
        for step, value in curve:
            if value <= loss:
                return cls(step, False)
        return cls(budget, True)


def target_loss(curve: Sequence[tuple[int, float]], tolerance: float) -> float:
    """The best held-out loss of a curve from scratch, plus the tolerance as a share of it."""
    return min(loss for _, loss in curve) * (1 + tolerance)


class Meter:
    """Turns outcomes into rows.

    Args:
        model, summarizer: architectures of the LLMs that are really run (FLOPs that were really spent).
    """

    def __init__(self, config: Config, model: Llm, summarizer: Llm | None) -> None:
        self.config, self.model, self.summarizer = config, model, summarizer
        self.deploy = llm(config.llm.deploy)
        self.judge = llm(config.llm.summarizer_deploy)
        self.phones, self.hours = known_phones(config), Hours(config)
        training = config.training
        self.targets = "all-linear" if training.targets == ["all-linear"] else list(training.targets)

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
        """The rows of a job, by table."""
        table = "users" if job.amount == 1.0 else "ladder"
        rows: dict[str, list[Row]] = {table: [], "curves": [], "choices": [], "words": []}
        for outcome in outcomes:
            key = {"user_id": outcome.user_id, "strategy": job.strategy}
            rows[table].append(self._user_row(job, outcome, targets[outcome.user_id], scale))
            rows["curves"] += [{**key, "amount": job.amount, "step": s, "loss": v} for s, v in outcome.curve]
            if job.amount == 1.0:
                ranked = sorted(outcome.scores.items(), key=lambda item: item[1])
                rows["choices"] += [
                    {**key, "pllm": p, "score": s, "rank": i} for i, (p, s) in enumerate(ranked, start=1)
                ]
                rows["words"] += [
                    {"owner": f"user {outcome.user_id}", "strategy": job.strategy, "word": w, "coordinate": c}
                    for w, c in outcome.explanation.items()
                ]
        return rows

    def _user_row(self, job: Job, outcome: Outcome, loss: float, scale: Scale) -> Row:
        reached = Target.reached(outcome.curve, loss, self.config.training.steps)
        billed_steps = reached.step * scale.steps
        work = Work(**outcome.work)
        device = self.device(outcome)
        choosing, down = self.selection(device, work, scale), self.download(device, work)
        training = self.finetuning(device, billed_steps, outcome)
        chosen = sorted(outcome.start)
        losses = [value for _, value in outcome.curve]
        chosen_with, trained_with = choosing, training
        if choosing.refused or training.refused:
            # FLOPs also where the LLM does not fit: those on the same phone with room for anything
            roomy = replace(device, usable_bytes=np.array(np.inf))
            chosen_with, trained_with = (
                self.selection(roomy, work, scale),
                self.finetuning(roomy, billed_steps, outcome),
            )
        return {
            "user_id": outcome.user_id,
            "strategy": job.strategy,
            "amount": job.amount,
            "phone": outcome.phone,
            "tier": self.phones[outcome.phone].tier,
            "network": outcome.network["access"],
            "texts": outcome.texts,
            "style": "+".join(outcome.styles),
            "chosen": "+".join(chosen),
            "oracle": outcome.nearest[0] if outcome.nearest else "",
            "correct": set(chosen) <= set(outcome.nearest) if chosen else "",
            "start_loss": losses[0],
            "target_loss": loss,
            "final_loss": losses[-1],
            "best_loss": min(losses),
            "steps_to_target": reached.step,
            "censored": reached.censored,
            "steps": outcome.steps,
            "billed_steps": billed_steps,
            "fits": _fits(choosing, training),
            "selection_flops": float(chosen_with.flops),
            "selection_s": _number(choosing.seconds),
            "selection_j": _number(choosing.joules),
            "bytes_down": _number(down.bytes_down),
            "bytes_up": 0.0,
            "download_s": _number(down.seconds),
            "download_j": _number(down.joules),
            "finetune_flops": float(trained_with.flops),
            "finetune_s": _number(training.seconds),
            "finetune_j": _number(training.joules),
            "hours_until_done": _number(
                self.hours.until_done(outcome.user_id, float(choosing.seconds + down.seconds + training.seconds))
            ),
            **self._measured(outcome, work),
            "wall_s": outcome.wall_s,
        }

    # ------------------------------------------------------------ the bill

    def device(self, outcome: Outcome) -> Device:
        """The user's phone on its network, with its own draw of the rates."""
        net = outcome.network
        network = Network.fixed(net["down_mbps"], net["up_mbps"], net["latency_ms"], net["access"])
        rng = stream(self.config.seed, outcome.user_id, "device")
        return Device.of(self.phones[outcome.phone], network, backend=self.config.billing.backend, rng=rng)

    def selection(self, device: Device, work: Work, scale: Scale) -> Cost:
        """What choosing cost: the deployed LLM's forward passes, tokens written and trial steps; the summarizer's."""
        billing = self.config.billing
        per_text, precision, at_once = billing.tokens_per_text, billing.precision, billing.answers_at_once
        unit = per_text / scale.text_tokens if per_text and scale.text_tokens else 1.0
        parts: list[Cost] = []
        if n := work.evaluate_sequences:
            tokens = work.evaluate_tokens * unit
            parts.append(device.evaluate(self.deploy, tokens, context=tokens / n, precision=precision))
        if n := work.prefill_sequences:
            tokens = (work.prefill_tokens - work.prefill_fixed_tokens) * unit + work.prefill_fixed_tokens
            parts.append(device.prefill(self.deploy, tokens, context=tokens / n, precision=precision))
            if work.decode_tokens:
                written = work.decode_tokens * unit
                parts.append(device.decode(self.deploy, written, precision=precision, **_answers(tokens, n, at_once)))
        if n := work.judge_sequences:
            tokens = (work.judge_tokens - work.judge_fixed_tokens) * unit + work.judge_fixed_tokens
            parts.append(device.prefill(self.judge, tokens, context=tokens / n, logits=0, precision=precision))
            if work.judge_decode_tokens:
                written = work.judge_decode_tokens * unit
                parts.append(device.decode(self.judge, written, precision=precision, **_answers(tokens, n, at_once)))
        if work.train_steps:
            tokens = self._step_tokens(work.train_tokens, work.train_batches)
            parts.append(self._train(device, work.train_steps * scale.steps, tokens, self.config.training.rank))
        return total(parts or [device.wait(0)])

    def download(self, device: Device, work: Work) -> Cost:
        return device.download(work.pllm_downloads * self.pllm_bytes + work.offer_bytes)

    def finetuning(self, device: Device, billed_steps: float, outcome: Outcome) -> Cost:
        tokens = self._step_tokens(outcome.train_tokens, outcome.steps)
        return self._train(device, billed_steps, tokens, self._rank(outcome))

    def _rank(self, outcome: Outcome) -> int:
        """Rank that fine-tuning has: an exact merge has that of all its pLLMs together."""
        return self.config.training.rank * max(1, len(outcome.start))

    def _train(self, device: Device, billed_steps: float, step_tokens: float, rank: int) -> Cost:
        return device.train(
            self.deploy,
            billed_steps,
            step_tokens,
            rank=rank,
            targets=self.targets,
            precision=self.config.billing.precision,
            checkpointing="auto",
        )

    def _step_tokens(self, tokens: int, steps: int) -> float:
        """Tokens of a step: as many as `billing.tokens_per_step` says, else as were measured."""
        return self.config.billing.tokens_per_step or tokens / max(steps, 1)

    def cloud_flops(self, work: Work) -> float:
        """FLOPs of the cloud's work on the deployed LLMs, tokens as measured."""
        return self._flops(self.deploy, self.judge, work)

    # ------------------------------------------------------------ what was really spent

    def _measured(self, outcome: Outcome, work: Work) -> dict[str, float]:
        trials = self._lora_flops(work.train_batches, work.train_tokens, self.config.training.rank)
        held_out = self.config.population.held_out * max(len(outcome.curve), 1)
        evaluated = outcome.evaluated_tokens
        return {
            "model_selection_flops": self._flops(self.model, self.summarizer, work) + trials,
            "model_finetune_flops": self._lora_flops(outcome.steps, outcome.train_tokens, self._rank(outcome)),
            "model_evaluate_flops": float(self.model.forward_flops(evaluated, evaluated / held_out)),
        }

    def _lora_flops(self, steps: int, tokens: int, rank: int) -> float:
        """FLOPs of training the LLM that is really trained."""
        if not steps:
            return 0.0
        per_step = tokens / steps
        step = self.model.lora_step_flops(per_step, rank, self.targets, per_step / self.config.training.batch)
        return float(steps * step)

    @staticmethod
    def _flops(model: Llm, judge: Llm | None, work: Work) -> float:
        """Forward FLOPs of work on two architectures."""
        flops = 0.0
        if n := work.evaluate_sequences:
            flops += model.forward_flops(work.evaluate_tokens, work.evaluate_tokens / n, work.evaluate_logits)
        if n := work.prefill_sequences:
            flops += model.forward_flops(work.prefill_tokens, work.prefill_tokens / n, n)
            flops += model.forward_flops(work.decode_tokens, work.prefill_tokens / n)
        if judge is not None and (n := work.judge_sequences):
            flops += judge.forward_flops(work.judge_tokens, work.judge_tokens / n, 0)
            flops += judge.forward_flops(work.judge_decode_tokens, work.judge_tokens / n)
        return float(flops)


def _answers(prompt_tokens: float, count: int, at_once: int) -> dict[str, Any]:
    """How `Device.decode` is told of as many answers as there were prompts of so many tokens together."""
    return {"context": prompt_tokens / count, "answers": count, "batch": min(at_once, count)}


def _fits(choosing: Cost, training: Cost) -> str:
    """'yes', 'streamed', or why the phone cannot do it: fine-tuning first, which every strategy needs."""
    if training.refused:
        return DOES_NOT_FIT + training.reason
    if choosing.refused:
        return f"choosing: {choosing.reason}"
    return "streamed" if choosing.streamed else "yes"


def _number(value: Any) -> float | str:
    """A cell: empty where a phase was refused and so has no cost."""
    number = float(value)
    return "" if number != number else number
