"""A cohort of phones on one worker: strategies choose, lanes fine-tune, raw measurements go back."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices import Network
from sim.llm.finetune import Lane, Trained, finetune
from sim.offers import load_offer, offer_adapters, offer_bytes
from sim.phone import UserPhone
from sim.resident import Resident, make_strategy
from sim.streams import stream
from sim.training import beginning, train, training_plan
from sim.users import draw_users
from strategies.base import Choice, Download, Offer, Request, Start, Strategy, Train


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
    """What was measured for one user, before anything is priced. Without training the curve is empty."""

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


def simulate(resident: Resident, job: Job) -> list[Outcome]:
    """Run a job: every user chooses and fine-tunes. Outcomes in the order of the job's users."""
    began = time.perf_counter()
    config = resident.config
    users = draw_users(config, resident.corpus, resident.user_styles, job.users)
    amount = max(1, round(job.amount * config.population.texts))
    strategy = make_strategy(job.strategy, config)
    offer = load_offer(Path(job.offer))
    resident.answers.own = offer_adapters(Path(job.offer), resident.lanes.layout)
    nearest = {styles: resident.pool.nearest(resident.corpus, styles) for styles in {u.styles for u in users}}
    phones = [UserPhone(u, amount, config.seed, nearest[u.styles], strategy.reads_truth) for u in users]
    choices = _choose(resident, strategy, offer, phones)
    trained = [Trained(u.id) for u in users] if config.training.cost_only else _finetune(resident, job, phones, choices)
    resident.answers.forget()
    share = (time.perf_counter() - began) / len(users)
    return [
        Outcome(
            user_id=phone.user.id,
            phone=phone.user.phone,
            network=_plain(phone.user.network),
            styles=list(phone.user.styles),
            texts=amount,
            start=dict(phone.origin(choice.start).weights),
            nearest=nearest[phone.user.styles],
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


def _plain(network: Network) -> dict[str, Any]:
    figures = {k: float(getattr(network, k)) for k in ("down_mbps", "up_mbps", "latency_ms")}
    return {"access": str(network.access), **figures}


def _choose(resident: Resident, strategy: Strategy, offer: Offer, phones: Sequence[UserPhone]) -> list[Choice]:
    """Drive every phone's `choose` together: each round answers one request of each phone still choosing."""
    choices: list[Choice | None] = [None] * len(phones)
    size = offer_bytes(offer)
    running: dict[int, Generator[Request, Any, Choice | Start]] = {}
    replies: dict[int, Any] = {}
    for i, phone in enumerate(phones):
        phone.work.offer_bytes += size
        chosen = strategy.choose(phone, offer)
        if isinstance(chosen, Generator):
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
        for i, request in asked.items():
            phones[i].fetch(_used(request))
        trials = {i: r for i, r in asked.items() if isinstance(r, Train)}
        others = {i: r for i, r in asked.items() if i not in trials}
        replies = dict(zip(trials, train(resident, list(trials.values()), [phones[i] for i in trials]), strict=True))
        answered = resident.answers(list(others.values()), [phones[i].work for i in others])
        replies |= dict(zip(others, answered, strict=True))
    for choice, phone in zip(choices, phones, strict=True):
        assert choice is not None
        phone.fetch(choice.start.weights)
    return [c for c in choices if c is not None]


def _used(request: Request) -> Iterable[str]:
    """The pLLMs that a request needs on the phone."""
    if isinstance(request, Download):
        return [request.pllm]
    start = getattr(request, "start", None)
    return start.weights if isinstance(start, Start) else ()


def _as_choice(value: Any) -> Choice:
    if isinstance(value, Start):
        return Choice(value)
    if not isinstance(value, Choice):
        raise TypeError(f"a strategy's choose returned {value!r}; a Start or a Choice is expected")
    return value


def _finetune(
    resident: Resident, job: Job, phones: Sequence[UserPhone], choices: Sequence[Choice]
) -> list[Trained[int]]:
    config, answers = resident.config, resident.answers
    lanes = []
    for i, (phone, choice) in enumerate(zip(phones, choices, strict=True)):
        lanes.append(
            Lane(
                key=phone.user.id,
                start=beginning(resident, phone.user.id, choice.start),
                texts=answers.encode(phone.texts),
                held_out=answers.encode(phone.user.held_out),
                rng=stream(config.seed, phone.user.id, "batches"),
                target=job.targets[i] if job.targets and config.training.stop_at_target else None,
            )
        )
    done = {r.key: r for r in finetune(resident.lm, resident.lanes, lanes, training_plan(resident))}
    return [done[phone.user.id] for phone in phones]
