"""A cohort of phones on one worker: strategies choose, lanes fine-tune, raw measurements go back."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sim.llm.finetune import Lane, Plan, Trained, finetune
from sim.offers import load_offer, offer_bytes
from sim.resident import Resident, make_strategy
from sim.streams import stream
from sim.users import User, draw_user
from sim.work import Work
from strategies.base import Choice, Download, Offer, Request, Start, Strategy, Text


@dataclass(frozen=True)
class Job:
    """What one message asks for: these users, one strategy, one share of their texts.

    `targets` are the users' target losses; empty for the reference from scratch, which finds them. `offer` is the
    folder of the strategy's offer.
    """

    index: int
    strategy: str
    users: tuple[int, ...]
    amount: float = 1.0
    targets: tuple[float, ...] = ()
    offer: str = ""


@dataclass(frozen=True)
class Outcome:
    """What was measured for one user, before anything is priced."""

    user_id: int
    phone: str
    network: Mapping[str, Any]
    styles: Sequence[str]
    texts: int
    start: Mapping[str, float]
    nearest: Sequence[str]
    curve: Sequence[tuple[int, float]]
    steps: int
    train_tokens: int
    evaluated_tokens: int
    wall_s: float
    work: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    explanation: Mapping[str, float] = field(default_factory=dict)


class _Phone:
    """A user's phone as a strategy sees it (`strategies.base.Phone`), with its ledger."""

    def __init__(self, user: User, texts: Sequence[Text], seed: int, nearest: Sequence[str], truth: bool) -> None:
        self.texts = texts
        self.user, self._seed = user, seed
        self._nearest, self._truth = nearest, truth
        self.work = Work()
        self.downloaded: set[str] = set()

    def rng(self, purpose: str) -> np.random.Generator:
        return stream(self._seed, self.user.id, "strategy", purpose)

    @property
    def nearest(self) -> Sequence[str]:
        if not self._truth:
            raise PermissionError("the true style is not this strategy's to read (it must declare reads_truth)")
        return self._nearest


def simulate(resident: Resident, job: Job) -> list[Outcome]:
    """Run a job: every user chooses and fine-tunes. Outcomes in the order of the job's users."""
    began = time.perf_counter()
    config = resident.config
    users = [draw_user(config, resident.corpus, resident.user_styles, i) for i in job.users]
    amount = max(1, round(job.amount * config.population.texts))
    strategy = make_strategy(job.strategy, config)
    offer = load_offer(Path(job.offer))
    nearest = {u.id: resident.pool.nearest(resident.corpus, u.styles) for u in users}
    phones = [_Phone(u, u.texts[:amount], config.seed, nearest[u.id], strategy.reads_truth) for u in users]
    choices = _choose(resident, strategy, offer, phones)
    trained = _finetune(resident, job, phones, choices)
    resident.answers.forget()
    share = (time.perf_counter() - began) / len(users)
    return [
        Outcome(
            user_id=phone.user.id,
            phone=phone.user.phone,
            network={"access": str(phone.user.network.access), **_numbers(phone.user.network)},
            styles=list(phone.user.styles),
            texts=amount,
            start=dict(choice.start.weights),
            nearest=nearest[phone.user.id],
            curve=result.curve,
            steps=result.steps,
            train_tokens=result.train_tokens,
            evaluated_tokens=result.evaluated_tokens,
            wall_s=share,
            work=phone.work.as_dict(),
            scores=dict(choice.scores),
            explanation=dict(choice.explanation),
        )
        for phone, choice, result in zip(phones, choices, trained, strict=True)
    ]


def _numbers(network: Any) -> dict[str, float]:
    return {k: float(v) for k, v in asdict(network).items() if k != "access"}


def _choose(resident: Resident, strategy: Strategy, offer: Offer, phones: Sequence[_Phone]) -> list[Choice]:
    """Drive every phone's `choose` together: each round answers one request of each phone still choosing."""
    choices: list[Choice | None] = [None] * len(phones)
    size = offer_bytes(offer)
    running, replies = {}, {}
    for i, phone in enumerate(phones):
        phone.work.offer_bytes += size
        chosen = strategy.choose(phone, offer)
        if inspect.isgenerator(chosen):
            running[i], replies[i] = chosen, None
        else:
            choices[i] = _as_choice(chosen)
    while running:
        asked: dict[int, Request] = {}
        for i, generator in list(running.items()):
            try:
                asked[i] = generator.send(replies[i])
            except StopIteration as end:
                choices[i] = _as_choice(end.value)
                del running[i]
        answered = resident.answers(list(asked.values()), [phones[i].work for i in asked])
        replies = dict(zip(asked, answered, strict=True))
        for i, request in asked.items():
            if isinstance(request, Download):
                phones[i].downloaded.add(request.pllm)
    for choice, phone in zip(choices, phones, strict=True):
        assert choice is not None
        phone.work.pllm_downloads += len(set(choice.start.weights) - phone.downloaded)
    return [c for c in choices if c is not None]


def _as_choice(value: Any) -> Choice:
    if isinstance(value, Start):
        return Choice(value)
    if not isinstance(value, Choice):
        raise TypeError(f"a strategy's choose returned {value!r}; a Start or a Choice is expected")
    return value


def _finetune(
    resident: Resident, job: Job, phones: Sequence[_Phone], choices: Sequence[Choice]
) -> list[Trained[int]]:
    config, answers = resident.config, resident.answers
    training, layout = config.training, resident.lanes.layout
    lanes = []
    for i, (phone, choice) in enumerate(zip(phones, choices, strict=True)):
        weights = choice.start.weights
        fresh = stream(config.seed, phone.user.id, "adapter")
        lanes.append(
            Lane(
                key=phone.user.id,
                start=answers.adapter(choice.start) if weights else layout.fresh(fresh),
                texts=answers.encode(phone.texts),
                held_out=answers.encode(phone.user.held_out),
                rng=stream(config.seed, phone.user.id, "batches"),
                target=job.targets[i] if job.targets and training.stop_at_target else None,
            )
        )
    done = {r.key: r for r in finetune(resident.lm, resident.lanes, lanes, training_plan(resident))}
    return [done[phone.user.id] for phone in phones]


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
