"""A cohort of phones on one worker: strategies choose, lanes fine-tune, raw measurements go back."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sim.config import Config
from sim.errors import UserError
from sim.failures import UserFailed, trace
from sim.llm.finetune import Lane, Trained, finetune
from sim.offers import load_offer, offer_adapters, offer_bytes
from sim.phone import UserPhone
from sim.resident import Resident, make_strategy
from sim.streams import stream
from sim.training import beginning, train, training_plan
from sim.users import User, draw_user
from strategies.base import Choice, Download, Offer, Request, Start, Strategy, Train

NO_TARGET = "there is no target loss, for from scratch this user failed"


@dataclass(frozen=True)
class Job:
    """What one message asks for: these users, one strategy, one share of their texts.

    `targets` are the users' target losses (NaN: from scratch the user failed); empty for the reference from scratch,
    which finds them. `offer` names the strategy's offer (`sim.store`).
    """

    index: int
    strategy: str
    users: tuple[int, ...]
    amount: float = 1.0
    targets: tuple[float, ...] = ()
    offer: str = ""


@dataclass(frozen=True)
class Outcome:
    """What was measured for one user, before anything is priced; or what the user's simulation raised (`failed`)."""

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
    failed: str = ""
    traceback: str = ""


def simulate(resident: Resident, job: Job) -> list[Outcome]:
    """Run a job: every user chooses and fine-tunes. Outcomes in the order of the job's users.

    Where a user's strategy or fine-tuning raises, UserFailed is raised, or (`engine.keep_going`) the user's outcome
    says so and the others are as without that user. An error of a whole batch is traced to its users by halving it.
    """
    config = resident.config
    strategy = make_strategy(job.strategy, config)
    offer = load_offer(resident.folder(job.offer))
    resident.lanes, resident.pool  # noqa: B018 - what cannot be loaded is nobody's failure
    found: dict[int, Outcome] = {}
    todo = [job.users]
    while todo:
        some = todo.pop()
        part = replace(job, users=some, targets=tuple(job.targets[job.users.index(u)] for u in some if job.targets))
        try:
            found |= {o.user_id: o for o in _together(resident, part, strategy, offer)}
        except (UserError, UserFailed):
            raise
        except Exception as error:
            if len(some) > 1:
                todo += [some[len(some) // 2 :], some[: len(some) // 2]]
                continue
            failure = UserFailed(some[0], error)
            if not config.engine.keep_going:
                raise failure from error
            user = draw_user(config, resident.corpus, resident.user_styles, some[0])
            found[user.id] = _failed(resident, job, user, failure)
        finally:
            resident.answers.forget()
    return [found[u] for u in job.users]


def _together(resident: Resident, job: Job, strategy: Strategy, offer: Offer) -> list[Outcome]:
    """Simulate users in one batch."""
    began = time.perf_counter()
    config = resident.config
    users = [draw_user(config, resident.corpus, resident.user_styles, i) for i in job.users]
    amount = _amount(config, job)
    resident.answers.own = offer_adapters(resident.folder(job.offer), resident.lanes.layout)
    known = {u.id: _identity(resident, job, u) for u in users}
    phones = {
        u.id: UserPhone(u, u.texts[:amount], config.seed, known[u.id]["nearest"], strategy.reads_truth) for u in users
    }
    targets = dict(zip(job.users, job.targets, strict=True)) if job.targets else {}
    failures = {u: UserFailed(u, LookupError(NO_TARGET)) for u, target in targets.items() if target != target}
    able = [phone for u, phone in phones.items() if u not in failures]
    choices = _choose(resident, strategy, offer, able, failures)
    trained = _finetune(resident, targets, [phones[u] for u in choices], list(choices.values()))
    share = (time.perf_counter() - began) / len(users)
    out = [_failed(resident, job, phones[u].user, failure) for u, failure in failures.items()]
    for result in trained:
        phone, choice = phones[result.key], choices[result.key]
        out.append(
            Outcome(
                **known[phone.user.id],
                start=dict(phone.origin(choice.start).weights),
                curve=result.curve,
                steps=result.steps,
                train_tokens=result.train_tokens,
                evaluated_tokens=result.evaluated_tokens,
                wall_s=share,
                work=phone.work.as_dict(),
                scores=dict(choice.scores),
                explanation=dict(choice.explanation),
            )
        )
    return out


def _amount(config: Config, job: Job) -> int:
    return max(1, round(job.amount * config.population.texts))


def _identity(resident: Resident, job: Job, user: User) -> dict[str, Any]:
    """The part of an outcome that is known without any simulation."""
    return {
        "user_id": user.id,
        "phone": user.phone,
        "network": {"access": str(user.network.access), **_numbers(user.network)},
        "styles": list(user.styles),
        "texts": _amount(resident.config, job),
        "nearest": resident.pool.nearest(resident.corpus, user.styles),
    }


def _failed(resident: Resident, job: Job, user: User, failure: UserFailed) -> Outcome:
    return Outcome(
        **_identity(resident, job, user),
        start={},
        curve=[],
        steps=0,
        train_tokens=0,
        evaluated_tokens=0,
        wall_s=0.0,
        failed=str(failure),
        traceback=trace(failure),
    )


def _numbers(network: Any) -> dict[str, float]:
    return {k: float(v) for k, v in asdict(network).items() if k != "access"}


def _choose(
    resident: Resident,
    strategy: Strategy,
    offer: Offer,
    phones: Sequence[UserPhone],
    failures: dict[int, UserFailed],
) -> dict[int, Choice]:
    """Drive every phone's `choose` together: each round answers one request of each phone still choosing.

    Returns choices by user, in the order of the phones. What a user's strategy raises goes to `failures`, or is raised.
    """
    choices: dict[int, Choice] = {}
    by_user = {phone.user.id: phone for phone in phones}
    size = offer_bytes(offer)
    running: dict[int, Generator[Request, Any, Choice | Start]] = {}

    @contextmanager
    def only(user: int) -> Iterator[None]:
        """What is raised in here is this user's failure."""
        try:
            yield
        except Exception as error:
            running.pop(user, None)
            failures[user] = UserFailed(user, error)
            if not resident.config.engine.keep_going:
                raise failures[user] from error

    def decide(user: int, value: Any) -> None:
        choices[user] = _as_choice(value)
        _check_known(resident, choices[user].start.weights)

    for user, phone in by_user.items():
        phone.work.offer_bytes += size
        with only(user):
            chosen = strategy.choose(phone, offer)
            if isinstance(chosen, Generator):
                running[user] = chosen
            else:
                decide(user, chosen)
    replies: dict[int, Any] = dict.fromkeys(running)
    while running:
        asked: dict[int, Request] = {}
        for user, generator in list(running.items()):
            with only(user):
                try:
                    asked[user] = generator.send(replies[user])
                    _check_known(resident, _used(asked[user]))
                except StopIteration as end:
                    del running[user]
                    decide(user, end.value)
        asked = {user: request for user, request in asked.items() if user in running}
        for user, request in asked.items():
            by_user[user].fetch(_used(request))
        trials = {u: r for u, r in asked.items() if isinstance(r, Train)}
        others = {u: r for u, r in asked.items() if u not in trials}
        replies = dict(zip(trials, train(resident, list(trials.values()), [by_user[u] for u in trials]), strict=True))
        answered = resident.answers(list(others.values()), [by_user[u].work for u in others])
        replies |= dict(zip(others, answered, strict=True))
    done = {user: choices[user] for user in by_user if user in choices and user not in failures}
    for user, choice in done.items():
        by_user[user].fetch(choice.start.weights)
    return done


def _check_known(resident: Resident, names: Iterable[str]) -> None:
    for name in names:
        if name not in resident.pool.cards and name not in resident.answers.own:
            raise LookupError(f"a strategy named {name!r}, which is no pLLM of the pool or of its offer")


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
    resident: Resident, targets: Mapping[int, float], phones: Sequence[UserPhone], choices: Sequence[Choice]
) -> list[Trained[int]]:
    config, answers = resident.config, resident.answers
    lanes = []
    for phone, choice in zip(phones, choices, strict=True):
        lanes.append(
            Lane(
                key=phone.user.id,
                start=beginning(resident, phone.user.id, choice.start),
                texts=answers.encode(phone.texts),
                held_out=answers.encode(phone.user.held_out),
                rng=stream(config.seed, phone.user.id, "batches"),
                target=targets.get(phone.user.id) if config.training.stop_at_target else None,
            )
        )
    return list(finetune(resident.lm, resident.lanes, lanes, training_plan(resident)))
