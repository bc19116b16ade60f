"""How phones fine-tune: by which plan, from where, and for trial before they choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from torch import Tensor

from sim.common.streams import stream
from sim.llm.finetune import Lane, Plan, finetune
from sim.serving.resident import Resident
from sim.worker.phone import UserPhone
from strategies.base import Start, Train, Trained


def training_plan(resident: Resident) -> Plan:
    training = resident.config.training
    return Plan(
        steps=training.steps,
        batch=training.batch,
        lr=training.lr,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        evaluate_every=training.evaluate_every,
        patience=training.patience,
        width=resident.config.engine.lanes,
    )


def beginning(resident: Resident, user_id: int, start: Start) -> Tensor:
    """The flat adapter that training begins with: a start's, or from scratch the user's own fresh one."""
    if start.weights:
        return resident.answers.adapter(start)
    return resident.lanes.layout.fresh(stream(resident.config.seed, user_id, "adapter"))


def train(resident: Resident, requests: Sequence[Train], phones: Sequence[UserPhone]) -> list[Trained]:
    """Answer Train requests, each from the phone beside it; those of as many steps are lanes of one batch.

    The order of the texts depends on the user and on the steps trained before, so a phone's trials are comparable.
    Parts of a step are made up for by the learning rate: 1.5 steps are two at three quarters of it.
    """
    answers, replies = resident.answers, {}
    if any(r.steps <= 0 or not r.texts for r in requests):
        raise ValueError("a strategy yielded a Train without steps or without texts")
    for steps in sorted({r.steps for r in requests}):
        lanes = []
        for i, (request, phone) in enumerate(zip(requests, phones, strict=True)):
            if request.steps == steps:
                texts = answers.encode(request.texts)
                rng = phone.rng(f"train after {phone.trained(request.start):g} steps")
                lanes.append(Lane(i, beginning(resident, phone.user.id, request.start), texts, texts, rng))
        plan, run = training_plan(resident), ceil(steps)
        plan = replace(plan, steps=run, evaluate_every=run, patience=0, lr=plan.lr * steps / run)
        for result in finetune(resident.lm, resident.lanes, lanes, plan):
            request, phone, texts = requests[result.key], phones[result.key], answers.encode(requests[result.key].texts)
            kept = phone.keep(request.start, steps)
            assert result.adapter is not None
            answers.own[kept.best] = result.adapter
            replies[result.key] = Trained(kept, result.curve[-1][1])
            phone.work.requests += 1
            phone.work.train_steps += steps
            phone.work.train_batches += result.steps
            phone.work.train_tokens += result.train_tokens
            phone.work.evaluate_tokens += sum(map(len, texts))
            phone.work.evaluate_sequences += len(texts)
            phone.work.evaluate_logits += sum(t.answer_tokens for t in texts)
    return [replies[i] for i in range(len(requests))]
