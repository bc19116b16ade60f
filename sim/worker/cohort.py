"""A cohort of phones on one worker: strategies choose, lanes fine-tune, raw measurements go back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from devices import Network
from sim.common.disk import no_space
from sim.common.errors import UserError
from sim.common.streams import stream
from sim.experiment.config import Config
from sim.experiment.strategies import make_strategy
from sim.llm.finetune import Lane, LaneResult, finetune
from sim.messages import Job, Outcome
from sim.pool.offers import load_offer, offer_adapters
from sim.population.users import User, draw_user, draw_users
from sim.serving.resident import Resident
from sim.worker.choosing import choose
from sim.worker.failures import UserFailed, of_the_machine, trace
from sim.worker.phone import UserPhone
from sim.worker.scratch import from_scratch
from sim.worker.training import beginning, training_plan
from strategies.base import Choice, Offer, Strategy

NO_TARGET = "there is no target loss, for from scratch this user failed"


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
        try:
            found |= {o.user_id: o for o in _together(resident, job.only(some), strategy, offer)}
        except (UserError, UserFailed):
            raise
        except Exception as error:
            if no_space(error) or of_the_machine(error):  # nobody's failure
                raise
            if len(some) > 1:
                todo += [some[len(some) // 2 :], some[: len(some) // 2]]
                continue
            failure = UserFailed(some[0], error)
            if not config.engine.keep_going:
                raise failure from error
            user = draw_user(config, resident.corpus, resident.user_styles, some[0])
            nearest = resident.pool.nearest(resident.corpus, user.styles)
            found[user.id] = _failed(user, _amount(config, job), nearest, failure)
        finally:
            resident.answers.forget()
    return [found[u] for u in job.users]


def _together(resident: Resident, job: Job, strategy: Strategy, offer: Offer) -> list[Outcome]:
    """Simulate users in one batch."""
    began = time.perf_counter()
    config = resident.config
    users = draw_users(config, resident.corpus, resident.user_styles, job.users)
    amount = _amount(config, job)
    resident.answers.own = offer_adapters(resident.folder(job.offer), resident.lanes.layout)
    nearest = {styles: resident.pool.nearest(resident.corpus, styles) for styles in {u.styles for u in users}}
    phones = {u.id: UserPhone(u, amount, config.seed, nearest[u.styles], strategy.reads_truth) for u in users}
    lost = [u for u, target in zip(job.users, job.targets, strict=False) if target != target]
    failures = {u: UserFailed(u, LookupError(NO_TARGET)) for u in lost}
    able = [phone for u, phone in phones.items() if u not in failures]
    choices = choose(resident, job.strategy, strategy, offer, able, failures)
    trained = _finetune(resident, job.only(choices), [phones[u] for u in choices], list(choices.values()))
    share = (time.perf_counter() - began) / len(users)
    out = [_failed(phones[u].user, amount, nearest[phones[u].user.styles], failure) for u, failure in failures.items()]
    for result in trained:
        phone, choice = phones[result.key], choices[result.key]
        out.append(
            Outcome(
                **_identity(phone.user, amount, nearest[phone.user.styles]),
                start=dict(phone.origin(choice.start).weights),
                curve=result.curve,
                steps=result.steps,
                train_tokens=result.train_tokens,
                evaluated_tokens=result.evaluated_tokens,
                wall_s=share,
                work=phone.work.as_dict(),
                scores=dict(choice.scores),
                explanation=dict(choice.explanation),
                coordinates=dict(choice.coordinates),
            )
        )
    return out


def _amount(config: Config, job: Job) -> int:
    return max(1, round(job.amount * config.population.texts))


def _identity(user: User, texts: int, nearest: Sequence[str]) -> dict[str, Any]:
    """The part of an outcome that is known without any simulation."""
    return {
        "user_id": user.id,
        "phone": user.phone,
        "network": _plain(user.network),
        "styles": list(user.styles),
        "texts": texts,
        "nearest": nearest,
    }


def _failed(user: User, texts: int, nearest: Sequence[str], failure: UserFailed) -> Outcome:
    return Outcome(
        **_identity(user, texts, nearest),
        start={},
        curve=[],
        steps=0,
        train_tokens=0,
        evaluated_tokens=0,
        wall_s=0.0,
        failed=str(failure),
        traceback=trace(failure),
    )


def _plain(network: Network) -> dict[str, Any]:
    figures = {k: float(getattr(network, k)) for k in ("down_mbps", "up_mbps", "latency_ms")}
    return {"access": str(network.access), **figures}


def _finetune(
    resident: Resident, job: Job, phones: Sequence[UserPhone], choices: Sequence[Choice]
) -> list[LaneResult[int]]:
    """What became of the users' lanes, in their order; nothing where nobody trains."""
    config, answers = resident.config, resident.answers
    if config.training.cost_only:
        return [LaneResult(user) for user in job.users]
    targets = dict(zip(job.users, job.targets, strict=True)) if job.targets else {}
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

    def train_all() -> list[LaneResult[int]]:
        done = {r.key: r for r in finetune(resident.lm, resident.lanes, lanes, training_plan(resident))}
        return [replace(done[phone.user.id], adapter=None) for phone in phones]  # nobody needs the adapters

    return train_all() if any(c.start.weights for c in choices) else from_scratch(resident, job, train_all)
