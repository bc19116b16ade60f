"""Fine-tuning many lanes: own data, own step count and own end for each, one batch for all."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic

import numpy as np
import torch
from torch import Tensor

from sim.experiment.sections import Training
from sim.llm.adapters.base import Layout
from sim.llm.lanes import LaneOptimizer, Lanes
from sim.llm.model import Encoded, LanguageModel
from sim.llm.training.batches import EMPTY, Batch, collate, lane_losses
from sim.llm.training.progress import Key, Lane, LaneResult, Plan, Progress


def plan_of(training: Training, width: int) -> Plan:
    """How users fine-tune: the plan of a `[training]` section, `width` lanes at a time."""
    return Plan(
        steps=training.steps,
        batch=training.batch,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        evaluate_every=training.evaluate_every,
        patience=training.patience,
        width=width,
    )


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
        texts: one sequence per lane, lengths may differ; a lane without any has the loss 0.
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
        self.lanes: list[Progress[Key]] = []
        self.orders: list[Iterator[np.ndarray]] = []
        self.state = torch.zeros(3, 0, layout.size, device=device)  # parameters, both moments
        self.lr = torch.zeros(0, device=device)
        self.leaves: list[tuple[Tensor, ...]] = []

    def replace(self, kept: Sequence[int], new: Sequence[Lane[Key]], batch: int) -> None:
        """Go on with the lanes at the places `kept` and with new ones, and bind the parameters anew."""
        state = torch.zeros(3, len(kept) + len(new), self.layout.size, device=self.device)
        state[:, : len(kept)] = self.state[:, list(kept)]
        for at, lane in enumerate(new, start=len(kept)):
            state[0, at] = self.layout.widened(lane.start)
        self.state = state
        self.lanes = [self.lanes[i] for i in kept] + [Progress(lane) for lane in new]
        self.lr = torch.tensor([p.lane.lr for p in self.lanes], device=self.device)
        self.orders = [self.orders[i] for i in kept] + [epochs(lane.rng, len(lane.texts), batch) for lane in new]
        self.leaves = [  # the tensors of each site, views of the parameters
            tuple(t.detach().requires_grad_() for t in site) for site in self.layout.views(state[0])
        ]

    def next_batch(self, lm: LanguageModel) -> tuple[Batch, list[int]]:
        """The next texts of every lane, and how many tokens each lane has in them."""
        rows: list[Encoded] = []
        tokens = []
        for progress, order in zip(self.lanes, self.orders, strict=True):
            mine = [progress.lane.texts[i] for i in next(order)]
            tokens.append(sum(map(len, mine)))
            rows += mine
        return collate(rows, len(self.lanes), lm), tokens


def finetune(lm: LanguageModel, layers: Lanes, lanes: Sequence[Lane[Key]], plan: Plan) -> Iterator[LaneResult[Key]]:
    """Train every lane; yield what became of each as it ends. Waiting lanes take the place of finished ones.

    A lane ends after `plan.steps`, when patience is out, or at a known target; it is evaluated before the first step,
    every `plan.evaluate_every` steps and at the end, and where it came to its target at the steps in between. Lanes
    with the longest texts begin first, so neighbours are alike.

    Args:
        layers: the wrapped layers of the LLM.
    """
    layout = layers.layout.widest([lane.start for lane in lanes])
    waiting = deque(sorted(lanes, key=lambda lane: -float(np.mean([len(t) for t in lane.texts]))))
    optimizer = LaneOptimizer(weight_decay=plan.weight_decay, max_grad_norm=plan.max_grad_norm)
    running: _Running[Key] = _Running(layers, layout, lm.device)
    while waiting or running.lanes:
        ended = _evaluate_due(lm, running, plan)
        if ended or (waiting and len(running.lanes) < plan.width):
            for i in ended:
                result = running.lanes[i].result
                result.adapter = None if result.adapter is None else result.adapter.cpu()
                yield result
            kept = [i for i in range(len(running.lanes)) if i not in set(ended)]
            new = [waiting.popleft() for _ in range(min(plan.width - len(kept), len(waiting)))]
            running.replace(kept, new, plan.batch)
            continue
        batch, tokens = running.next_batch(lm)
        with layers.active(running.leaves):
            loss, count = lane_losses(lm, batch)
        leaves = [leaf for site in running.leaves for leaf in site]
        grads = torch.autograd.grad((loss / count.clamp(min=1)).sum(), leaves)
        step = torch.tensor([progress.result.steps + 1 for progress in running.lanes], device=lm.device)
        with torch.no_grad():
            grad = torch.cat([g.reshape(len(running.lanes), -1) for g in grads], dim=1)
            optimizer.update(running.state[0], grad, running.state[1], running.state[2], step, running.lr)
        for progress, n, adapter in zip(running.lanes, tokens, running.state[0], strict=True):
            progress.stepped(n, adapter, plan)


def _evaluate_due(lm: LanguageModel, running: _Running[Key], plan: Plan) -> list[int]:
    """Evaluate the lanes whose step asks for it; return the places of those that have ended."""
    due = [i for i, progress in enumerate(running.lanes) if progress.due(plan)]
    if not due:
        return []
    flat, lanes = running.state[0][due], [running.lanes[i] for i in due]
    validation = evaluate(lm, running.layers, flat, [progress.lane.validation for progress in lanes])
    held_out = evaluate(lm, running.layers, flat, [progress.lane.held_out for progress in lanes])
    ended = []
    for at, progress in enumerate(lanes):
        over = progress.evaluated(float(validation[at]), float(held_out[at]), flat[at], plan)
        if over:
            ended.append(due[at])
        _measure_crossing(lm, running.layers, progress, over)
    return ended


def _measure_crossing(lm: LanguageModel, layers: Lanes, progress: Progress[Key], ended: bool) -> None:
    """Measure the adapters among which is the first at the target, up to that one."""
    for step, adapter in progress.crossing(ended).items():
        if progress.measured(step, float(evaluate(lm, layers, adapter[None], [progress.lane.held_out])[0])):
            return
