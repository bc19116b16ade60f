"""Fine-tuning many lanes: own data, own step count and own end for each, one batch for all."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from sim.experiment.sections import Training
from sim.llm.batches import EMPTY, Batch, collate, lane_losses
from sim.llm.lanes import LaneOptimizer, Lanes
from sim.llm.model import Encoded, LanguageModel

Key = TypeVar("Key")


@dataclass(frozen=True)
class Plan:
    """How every lane of a run is trained."""

    steps: int
    batch: int
    lr: float
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    evaluate_every: int = 5
    patience: int = 0  # evaluations without a new best after which a lane ends; 0: never
    width: int = 16  # lanes in one batch


def plan_of(training: Training, width: int) -> Plan:
    """How users fine-tune: the plan of a `[training]` section, `width` lanes at a time."""
    return Plan(
        steps=training.steps,
        batch=training.batch,
        lr=training.lr,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        evaluate_every=training.evaluate_every,
        patience=training.patience,
        width=width,
    )


@dataclass
class Lane(Generic[Key]):
    """One adapter to train.

    Args:
        key: comes back with the result.
        start: flat adapter (size,), any rank.
        rng: decides the order of the texts.
        target: leave as soon as the held-out loss is at or under it; None: use all steps.
    """

    key: Key
    start: Tensor
    texts: Sequence[Encoded]
    held_out: Sequence[Encoded]
    rng: np.random.Generator
    target: float | None = None


@dataclass
class Trained(Generic[Key]):
    """What became of a lane: curve of (step, held-out loss), counts, the adapter (size,)."""

    key: Key
    curve: list[tuple[int, float]] = field(default_factory=list)
    steps: int = 0
    train_tokens: int = 0
    evaluated_tokens: int = 0
    adapter: Tensor | None = None


def epochs(rng: np.random.Generator, count: int, batch: int) -> Iterator[np.ndarray]:
    """Indices of endless batches: every text once an epoch, reshuffled; a batch may span two epochs."""
    waiting = np.empty(0, dtype=np.int64)
    while True:
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, rng.permutation(count)])
        yield waiting[:batch]
        waiting = waiting[batch:]


def evaluate(lm: LanguageModel, lanes: Lanes, flat: Tensor, texts: Sequence[Sequence[Encoded]]) -> np.ndarray:
    """Mean loss per answer token of each lane on its own texts.

    Args:
        flat: adapters (lanes, size). texts: one sequence per lane, lengths may differ.
    Returns: float64 (lanes,).
    """
    count = len(texts)
    ordered = [sorted(t, key=len, reverse=True) for t in texts]  # like lengths share a batch
    depth, at = max(map(len, ordered)), 0
    total, tokens = np.zeros(count), np.zeros(count)
    with torch.no_grad(), lanes.serving(flat):
        while at < depth:
            longest = max(len(t[at]) for t in ordered if at < len(t))
            upto = min(at + max(1, lm.batch_tokens // (count * longest)), depth)
            rows = [t[i] if i < len(t) else EMPTY for t in ordered for i in range(at, upto)]
            loss, n = lane_losses(lm, collate(rows, count, lm))
            total += loss.double().cpu().numpy()
            tokens += n.cpu().numpy()
            at = upto
    return total / np.maximum(tokens, 1)


class _Deck(Generic[Key]):
    """The lanes now in the batch, with their stacked parameters and optimiser state, all at one rank."""

    def __init__(self, lanes: Lanes, rank: int, device: torch.device) -> None:
        self.lanes, self.layout, self.device = lanes, lanes.layout.at_rank(rank), device
        self.jobs: list[Lane[Key]] = []
        self.results: list[Trained[Key]] = []
        self.orders: list[Iterator[np.ndarray]] = []
        self.state = torch.zeros(3, 0, self.layout.size, device=device)  # parameters, both moments
        self.leaves: list[tuple[Tensor, Tensor]] = []

    def seat(self, keep: Sequence[int], arriving: Sequence[Lane[Key]], batch: int) -> None:
        """Drop lanes not in `keep`, add those arriving, and bind the parameters anew."""
        state = torch.zeros(3, len(keep) + len(arriving), self.layout.size, device=self.device)
        state[:, : len(keep)] = self.state[:, list(keep)]
        for at, job in enumerate(arriving, start=len(keep)):
            state[0, at] = self.lanes.widened(job.start, self.layout.rank)
        self.state = state
        self.jobs = [self.jobs[i] for i in keep] + list(arriving)
        self.results = [self.results[i] for i in keep] + [Trained(job.key) for job in arriving]
        self.orders = [self.orders[i] for i in keep] + [epochs(j.rng, len(j.texts), batch) for j in arriving]
        self.leaves = [  # A and B of each site, views of the parameters
            (a.detach().requires_grad_(), b.detach().requires_grad_()) for a, b in self.layout.views(state[0])
        ]

    def next_batch(self, lm: LanguageModel) -> tuple[Batch, list[int]]:
        rows: list[Encoded] = []
        tokens = []
        for job, order in zip(self.jobs, self.orders, strict=True):
            mine = [job.texts[i] for i in next(order)]
            tokens.append(sum(map(len, mine)))
            rows += mine
        return collate(rows, len(self.jobs), lm), tokens


def finetune(lm: LanguageModel, lanes: Lanes, jobs: Sequence[Lane[Key]], plan: Plan) -> Iterator[Trained[Key]]:
    """Train every job; yield each as it ends. Waiting jobs take the place of finished ones.

    A lane ends at its target, after `plan.steps`, or when patience is out; it is evaluated before the first step, every
    `plan.evaluate_every` steps and at the end. Jobs are seated longest texts first, so neighbours are alike.
    """
    rank = max((lanes.rank_of(job.start) for job in jobs), default=lanes.layout.rank)
    waiting = deque(sorted(jobs, key=lambda j: -float(np.mean([len(t) for t in j.texts]))))
    optimizer = LaneOptimizer(plan.lr, weight_decay=plan.weight_decay, max_grad_norm=plan.max_grad_norm)
    deck: _Deck[Key] = _Deck(lanes, rank, lm.device)
    while waiting or deck.jobs:
        ended = _evaluate_due(lm, deck, plan)
        if ended or (waiting and len(deck.jobs) < plan.width):
            for i in ended:
                yield deck.results[i]
            keep = [i for i in range(len(deck.jobs)) if i not in set(ended)]
            arriving = [waiting.popleft() for _ in range(min(plan.width - len(keep), len(waiting)))]
            deck.seat(keep, arriving, plan.batch)
            continue
        batch, tokens = deck.next_batch(lm)
        with lanes.active(deck.leaves):
            loss, count = lane_losses(lm, batch)
        leaves = [leaf for pair in deck.leaves for leaf in pair]
        grads = torch.autograd.grad((loss / count.clamp(min=1)).sum(), leaves)
        for result, n in zip(deck.results, tokens, strict=True):
            result.steps += 1
            result.train_tokens += n
        step = torch.tensor([result.steps for result in deck.results], device=lm.device)
        with torch.no_grad():
            grad = torch.cat([g.reshape(len(deck.jobs), -1) for g in grads], dim=1)
            optimizer.update(deck.state[0], grad, deck.state[1], deck.state[2], step)


def _evaluate_due(lm: LanguageModel, deck: _Deck[Key], plan: Plan) -> list[int]:
    """Evaluate the lanes whose step asks for it; return the places of those that have ended."""
    due = [
        i
        for i, r in enumerate(deck.results)
        if (r.steps % plan.evaluate_every == 0 or r.steps >= plan.steps) and (not r.curve or r.curve[-1][0] != r.steps)
    ]
    if not due:
        return []
    losses = evaluate(lm, deck.lanes, deck.state[0][due], [deck.jobs[i].held_out for i in due])
    ended = []
    for i, loss in zip(due, losses, strict=True):
        result, job = deck.results[i], deck.jobs[i]
        result.curve.append((result.steps, float(loss)))
        result.evaluated_tokens += sum(map(len, job.held_out))
        losses_seen = [v for _, v in result.curve]
        tired = bool(plan.patience) and len(losses_seen) - 1 - int(np.argmin(losses_seen)) >= plan.patience
        if result.steps >= plan.steps or tired or (job.target is not None and loss <= job.target):
            result.adapter = deck.state[0][i].detach().clone().cpu()
            ended.append(i)
    return ended
