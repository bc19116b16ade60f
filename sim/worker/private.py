"""The private fine-tuning of who contributes: what leaves the phone is made apart from what it made for itself."""

from __future__ import annotations

from collections.abc import Sequence

from sim.llm.training.finetune import evaluate
from sim.llm.training.progress import Lane, LaneResult
from sim.privacy.accountant import noise_of
from sim.privacy.training import Mechanism, train_privately
from sim.serving.account import PhoneAccount
from sim.serving.desk import Desk
from sim.serving.requests import PRIVATISE


def privatised(desk: Desk, own: Sequence[tuple[Lane[int], PhoneAccount]]) -> dict[int, LaneResult[int]]:
    """Fine-tune once more for each contributor, with noise, from the same start on all of the user's texts.

    Those that stop the phone's own training join the others, for here they may decide nothing. It is booked as steps
    of ordinary training that read as many texts. Who started from a merge, which is larger than an adapter of the pool,
    gives nothing and has no result.

    Args:
        own: the contributors' own training, and who does it.
    """
    training, privacy, size = desk.training, desk.privacy, desk.lanes.layout.size
    accounts = {lane.key: account for lane, account in own if len(lane.start) == size}
    lanes = [
        Lane(
            key=lane.key,
            start=lane.start,
            texts=[*lane.texts, *lane.validation],
            rng=accounts[lane.key].private_rng(),
            lr=privacy.lr or lane.lr,
            held_out=lane.held_out,
        )
        for lane, _ in own
        if lane.key in accounts
    ]
    mechanism = Mechanism(privacy.steps, privacy.sampling, privacy.clip, noise_of(privacy), training.weight_decay)
    found: dict[int, LaneResult[int]] = {}
    made = train_privately(desk.lm, desk.lanes, lanes, mechanism, width=desk.width * training.batch)
    for lane, one in zip(lanes, made, strict=True):
        work = {"requests": 1, "steps": one.texts / training.batch, "trained": one.tokens}
        accounts[lane.key].work.add(PRIVATISE, "base", **work)
        loss = float(evaluate(desk.lm, desk.lanes, one.adapter[None].to(desk.lm.device), [lane.held_out])[0])
        found[lane.key] = LaneResult(
            lane.key, curve=[(privacy.steps, loss)], steps=privacy.steps, kept_step=privacy.steps, adapter=one.adapter
        )
    return found
