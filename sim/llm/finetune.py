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
from sim.llm.adapters.base import Layout
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
        start: the adapter (size,) that training begins with, of any size that its kind knows.
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
class LaneResult(Generic[Key]):
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


def evaluate(lm: LanguageModel, layers: Lanes, flat: Tensor, texts: Sequence[Sequence[Encoded]]) -> np.ndarray:
    """Mean loss per answer token of each lane on its own texts.

    Args:
        layers: the wrapped layers of the LLM. flat: adapters (lanes, size).
        texts: one sequence per lane, lengths may differ.
    Returns: float64 (lanes,).
    """
    count = len(texts)
    ordered = [sorted(t, key=len, reverse=True) for t in texts]  # like lengths share a batch
    depth, at = max(map(len, ordered)), 0
    total, tokens = np.zeros(count), np.zeros(count)
    with torch.no_grad(), layers.serving(flat):
        while at < depth:
            longest = max(len(t[at]) for t in ordered if at < len(t))
            upto = min(at + max(1, lm.batch_tokens // (count * longest)), depth)
            rows = [t[i] if i < len(t) else EMPTY for t in ordered for i in range(at, upto)]
            loss, n = lane_losses(lm, collate(rows, count, lm))
            total += loss.double().cpu().numpy()
            tokens += n.cpu().numpy()
            at = upto
    return total / np.maximum(tokens, 1)


class _Running(Generic[Key]):
    """The lanes now in training, with their stacked parameters and optimiser state, all of one size."""

    def __init__(self, layers: Lanes, layout: Layout, device: torch.device) -> None:
        self.layers, self.layout, self.device = layers, layout, device
        self.lanes: list[Lane[Key]] = []
        self.results: list[LaneResult[Key]] = []
        self.orders: list[Iterator[np.ndarray]] = []
        self.state = torch.zeros(3, 0, layout.size, device=device)  # parameters, both moments
        self.leaves: list[tuple[Tensor, ...]] = []

    def replace(self, kept: Sequence[int], new: Sequence[Lane[Key]], batch: int) -> None:
        """Go on with the lanes at the places `kept` and with new ones, and bind the parameters anew."""
        state = torch.zeros(3, len(kept) + len(new), self.layout.size, device=self.device)
        state[:, : len(kept)] = self.state[:, list(kept)]
        for at, lane in enumerate(new, start=len(kept)):
            state[0, at] = self.layout.widened(lane.start)
        self.state = state
        self.lanes = [self.lanes[i] for i in kept] + list(new)
        self.results = [self.results[i] for i in kept] + [LaneResult(lane.key) for lane in new]
        self.orders = [self.orders[i] for i in kept] + [epochs(lane.rng, len(lane.texts), batch) for lane in new]
        self.leaves = [  # the tensors of each site, views of the parameters
            tuple(t.detach().requires_grad_() for t in site) for site in self.layout.views(state[0])
        ]

    def next_batch(self, lm: LanguageModel) -> tuple[Batch, list[int]]:
        """The next texts of every lane, and how many tokens each lane has in them."""
        rows: list[Encoded] = []
        tokens = []
        for lane, order in zip(self.lanes, self.orders, strict=True):
            mine = [lane.texts[i] for i in next(order)]
            tokens.append(sum(map(len, mine)))
            rows += mine
        return collate(rows, len(self.lanes), lm), tokens


def finetune(lm: LanguageModel, layers: Lanes, lanes: Sequence[Lane[Key]], plan: Plan) -> Iterator[LaneResult[Key]]:
    """Train every lane; yield what became of each as it ends. Waiting lanes take the place of finished ones.

    A lane ends at its target, after `plan.steps`, or when patience is out; it is evaluated before the first step, every
    `plan.evaluate_every` steps and at the end. Lanes with the longest texts begin first, so neighbours are alike.

    Args:
        layers: the wrapped layers of the LLM.
    """
    layout = layers.layout.widest([lane.start for lane in lanes])
    waiting = deque(sorted(lanes, key=lambda lane: -float(np.mean([len(t) for t in lane.texts]))))
    optimizer = LaneOptimizer(plan.lr, weight_decay=plan.weight_decay, max_grad_norm=plan.max_grad_norm)
    running: _Running[Key] = _Running(layers, layout, lm.device)
    while waiting or running.lanes:
        ended = _evaluate_due(lm, running, plan)
        if ended or (waiting and len(running.lanes) < plan.width):
            for i in ended:
                yield running.results[i]
            kept = [i for i in range(len(running.lanes)) if i not in set(ended)]
            new = [waiting.popleft() for _ in range(min(plan.width - len(kept), len(waiting)))]
            running.replace(kept, new, plan.batch)
            continue
        batch, tokens = running.next_batch(lm)
        with layers.active(running.leaves):
            loss, count = lane_losses(lm, batch)
        leaves = [leaf for site in running.leaves for leaf in site]
        grads = torch.autograd.grad((loss / count.clamp(min=1)).sum(), leaves)
        for result, n in zip(running.results, tokens, strict=True):
            result.steps += 1
            result.train_tokens += n
        step = torch.tensor([result.steps for result in running.results], device=lm.device)
        with torch.no_grad():
            grad = torch.cat([g.reshape(len(running.lanes), -1) for g in grads], dim=1)
            optimizer.update(running.state[0], grad, running.state[1], running.state[2], step)


def _evaluate_due(lm: LanguageModel, running: _Running[Key], plan: Plan) -> list[int]:
    """Evaluate the lanes whose step asks for it; return the places of those that have ended."""
    due = [
        i
        for i, r in enumerate(running.results)
        if (r.steps % plan.evaluate_every == 0 or r.steps >= plan.steps) and (not r.curve or r.curve[-1][0] != r.steps)
    ]
    if not due:
        return []
    losses = evaluate(lm, running.layers, running.state[0][due], [running.lanes[i].held_out for i in due])
    ended = []
    for i, loss in zip(due, losses, strict=True):
        result, lane = running.results[i], running.lanes[i]
        result.curve.append((result.steps, float(loss)))
        result.evaluated_tokens += sum(map(len, lane.held_out))
        losses_seen = [v for _, v in result.curve]
        tired = bool(plan.patience) and len(losses_seen) - 1 - int(np.argmin(losses_seen)) >= plan.patience
        if result.steps >= plan.steps or tired or (lane.target is not None and loss <= lane.target):
            result.adapter = running.state[0][i].detach().clone().cpu()
            ended.append(i)
    return ended
