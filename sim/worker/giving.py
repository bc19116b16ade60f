"""What a phone gives to the cloud when it is done: the adapter that it made, for the next version of the pool."""

from __future__ import annotations

from math import isfinite

from sim.ledger.bill import Tuned, bill
from sim.ledger.work import floats_of, stacked
from sim.llm.adapters import kind_of
from sim.llm.training.progress import LaneResult
from sim.pool.contributed import pllm_of, write_contribution
from sim.pool.pool import Card
from sim.population.attacks import attack_of, attack_rng
from sim.population.users import User
from sim.records.tables import FITTING
from sim.serving.requests import UPLOAD, handlers
from sim.worker.choosing import Participant
from sim.worker.workplace import Task, Workplace
from strategies.base import Start


def give(
    work: Workplace,
    task: Task,
    user: User,
    participant: Participant,
    start: Start,
    result: LaneResult[int],
    own: LaneResult[int],
) -> str:
    """Put what a user made into the store, and book the upload; returns its name there, or "" where it gives nothing.

    It gives nothing where its phone has too little memory to have done this, where training diverged, and where it
    started from a merge, whose adapter is larger than those of the pool. An attacker gives what its attack makes of it.

    Args:
        result: what it gives. own: what the phone made for itself, the same unless what it gives is private.
    """
    layout, adapter, style = work.resident.lanes.layout, result.adapter, user.styles[0]
    if adapter is None or len(adapter) != layout.size:
        return ""
    if user.attacker:
        attack = attack_of(work.config)
        adapter = attack.given(adapter, layout, attack_rng(work.config, user.id))
        style = style if attack.keeps_style else ""
    if not adapter.half().isfinite().all():
        return ""
    loss = dict(result.curve)[result.kept_step]
    if not isfinite(loss) or not fits(work, task, participant, start, own):
        return ""
    card = Card(
        id=pllm_of(user.id),
        style=style,
        similarity=1.0,
        texts=len(participant.view.texts),
        steps=result.kept_step,
        trained=result.steps,
        validation_loss=result.validation_loss,
        loss=loss,
    )
    participant.account.work.add(UPLOAD, pllms=1)
    return work.store.put(write_contribution(card, adapter, layout, task.model))


def fits(work: Workplace, task: Task, participant: Participant, start: Start, result: LaneResult[int]) -> bool:
    """Whether the deployed LLM fits the phone, as it will stand on the bill."""
    trained = task.terms.step_tokens(floats_of([result.train_tokens]), floats_of([result.steps]))
    tuned = Tuned(floats_of([result.steps]), trained, kind_of(work.config.training).billed(max(1, len(start.weights))))
    done = stacked([participant.account.work])
    return bill(participant.view.own.device, done, tuned, task.terms, handlers()).fits()[0][0] in FITTING
