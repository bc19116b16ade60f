"""A cohort of phones on one worker: strategies choose, lanes fine-tune, raw measurements go back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from sim.common.disk import no_space
from sim.common.errors import UserError
from sim.common.overlap import overlap
from sim.common.sealed import sealed, sealed_value
from sim.experiment.strategies import make_strategy
from sim.ledger.target import target_loss
from sim.llm.infer import generate
from sim.llm.training.finetune import finetune
from sim.llm.training.progress import Lane, LaneResult, set_aside
from sim.messages import Job, Outcome
from sim.pool.offers import load_offer, offer_adapters
from sim.population.attacks import attack_of, attack_rng
from sim.population.phones import own_phone
from sim.population.users import User, contributes, draw_user, draw_users
from sim.serving.account import PhoneAccount
from sim.serving.beginning import beginning
from sim.serving.desk import PROMPT_TOKENS, Desk
from sim.worker.choosing import Driver, Participant
from sim.worker.failures import UserFailed, of_the_machine, trace
from sim.worker.giving import fits, give
from sim.worker.phone import PhoneView
from sim.worker.private import privatised
from sim.worker.probing import poisoned
from sim.worker.trained import trained
from sim.worker.workplace import Task, Workplace
from strategies.base import Choice, Offer, Strategy

NO_TARGET = "there is no target loss, for from scratch this user failed"


def simulate(work: Workplace, task: Task) -> list[Outcome]:
    """Run a job: every user chooses and fine-tunes. Outcomes in the order of the job's users.

    Where a user's strategy or fine-tuning raises, UserFailed is raised, or (`engine.keep_going`) the user's outcome
    says so and the others are as without that user. An error of a whole batch is traced to its users by halving it.
    """
    config, job = work.config, task.job
    strategy, offer = make_strategy(job.strategy, config), load_offer(task.offer)
    found: dict[int, Outcome] = {}
    todo = [job.users]
    while todo:
        some = todo.pop()
        try:
            found |= {o.user_id: o for o in Batch(work, task, job.only(some), strategy).outcomes(offer)}
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
            user = draw_user(config, work.resident.corpus, work.user_styles, some[0])
            nearest = task.pool.nearest(work.resident.corpus, user.styles)
            found[user.id] = _failed(user, _amount(work, job), nearest, failure)
    return [found[u] for u in job.users]


class Batch:
    """Users of a job who are simulated together.

    Attributes: `users` by id; `participants`, those of the users who have a target loss or need none; `givers`, who
    contribute what they make.
    """

    def __init__(self, work: Workplace, task: Task, job: Job, strategy: Strategy) -> None:
        self._began = time.perf_counter()
        self._work, self._task, self._job, self._strategy = work, task, job, strategy
        self._desk = Desk(work.resident, task.pool, offer_adapters(task.offer, work.resident.lanes.layout))
        self._amount = _amount(work, job)
        corpus = work.resident.corpus
        self.users = {u.id: u for u in draw_users(work.config, corpus, work.user_styles, job.users)}
        self._nearest = {s: task.pool.nearest(corpus, s) for s in {u.styles for u in self.users.values()}}
        self._failures = {u: UserFailed(u, LookupError(NO_TARGET)) for u in job.lost}
        gives = strategy.contributes and job.amount == 1.0
        self.givers = {u for u in self.users if gives and contributes(work.config, u)}
        self._given: dict[int, str] = {}
        self._poisoned: dict[int, Mapping[str, float | None]] = {}
        self.participants = {u: self._participant(user) for u, user in self.users.items() if u not in self._failures}

    def outcomes(self, offer: Offer) -> list[Outcome]:
        """What was measured of the users, or why nothing was."""
        engine, training = self._work.config.engine, self._work.config.training
        driver = Driver(self._job.strategy, self._strategy, self._desk, engine.keep_going, not training.cost_only)
        choices = driver.choices(offer, self.participants)
        results = self._finetuned(choices)
        share = (time.perf_counter() - self._began) / len(self.users)
        out = [
            _failed(self.users[u], self._amount, self._nearest[self.users[u].styles], failure)
            for u, failure in {**self._failures, **driver.failures}.items()
        ]
        for result in results:
            user, choice, account = self.users[result.key], choices[result.key], self.participants[result.key].account
            out.append(
                replace(
                    _unmeasured(user, self._amount, self._nearest[user.styles]),
                    start=dict(account.origin(choice.start).weights),
                    curve=result.curve,
                    steps=result.steps,
                    train_tokens=result.train_tokens,
                    evaluated_tokens=result.evaluated_tokens,
                    evaluated_texts=result.evaluated_texts,
                    kept_step=result.kept_step,
                    validation_loss=result.validation_loss,
                    overlap=result.overlap,
                    wall_s=share,
                    work=account.work.counts(),
                    scores=dict(choice.scores),
                    explanation=dict(choice.explanation),
                    coordinates=dict(choice.coordinates),
                    contributed=self._given.get(user.id, ""),
                    poisoned=self._poisoned.get(user.id, {}),
                )
            )
        return out

    def _participant(self, user: User) -> Participant:
        work, config, amount = self._work, self._work.config, self._amount
        account = PhoneAccount(user.id, config.seed, alike=config.waves.count > 1)
        view = PhoneView(
            own_texts=sealed_value(lambda: tuple(user.texts[:amount])),
            seed=config.seed,
            user_id=user.id,
            own=own_phone(config, work.hours, user.id, user.phone, user.connection),
            terms=self._task.terms,
            on_phone=sealed(account.has),
            truth=tuple(self._nearest[user.styles]) if self._strategy.reads_truth else None,
        )
        return Participant(view, account)

    def _finetuned(self, choices: Mapping[int, Choice]) -> list[LaneResult[int]]:
        """What became of the lanes of those who chose, in their order; nothing where nobody trains.

        The phone sets texts of its own aside to decide by. The reference from scratch has no target yet: it is its own.
        Who contributes trains until those texts say that it is done: no phone knows of the target.
        """
        desk, job, training = self._desk, self._job.only(choices), self._work.config.training
        if training.cost_only:
            return [LaneResult(user) for user in choices]
        known = dict(zip(job.users, job.targets, strict=True)) if job.targets else {}
        own_target = partial(target_loss, tolerance=training.target_tolerance)
        lanes = []
        for user, choice in choices.items():
            participant = self.participants[user]
            own = participant.view.texts
            if user in self.givers and self.users[user].attacker:
                own = attack_of(self._work.config).learnt(own, attack_rng(self._work.config, user))
            texts, validation = set_aside(desk.encode(own))
            lanes.append(
                Lane(
                    key=user,
                    start=beginning(desk, participant.account, choice.start),
                    texts=texts,
                    rng=participant.account.batches_rng(),
                    lr=training.lr_of(len(participant.account.origin(choice.start).weights)),
                    validation=validation,
                    held_out=desk.encode(self.users[user].held_out),
                    target=known.get(user, own_target),
                    leave=training.stop_at_target and user not in self.givers,
                )
            )

        def train(lanes: Sequence[Lane[int]]) -> list[LaneResult[int]]:
            plan = desk.plan if job.amount else replace(desk.plan, steps=0)
            done = {r.key: r for r in finetune(desk.lm, desk.lanes, lanes, plan)}
            given = self._private(desk, lanes, choices, done) if self._work.config.privacy.epsilon else done
            for user in self.givers & set(done) & set(given):
                participant, made = self.participants[user], (given[user], done[user])
                start = participant.account.origin(choices[user].start)
                self._given[user] = give(self._work, self._task, self.users[user], participant, start, *made)
            for user, result in done.items() if job.amount == 1.0 else ():
                phone = self.users[user], self.participants[user].account
                self._poisoned[user] = poisoned(desk, self._work.config, *phone, choices[user].start, result.adapter)
            return [replace(done[lane.key], adapter=None, overlap=self._overlap(done[lane.key])) for lane in lanes]

        if self.givers or self._work.config.attackers.share:  # adapters are wanted
            return train(lanes)
        return trained(self._work, self._task.shared, job, lanes, train)

    def _private(
        self,
        desk: Desk,
        lanes: Sequence[Lane[int]],
        choices: Mapping[int, Choice],
        done: Mapping[int, LaneResult[int]],
    ) -> dict[int, LaneResult[int]]:
        """What contributors whose phone can do it give instead of what they made for themselves."""
        able = []
        for lane in lanes:
            who = self.participants[lane.key]
            start = who.account.origin(choices[lane.key].start)
            if lane.key in self.givers and fits(self._work, self._task, who, start, done[lane.key]):
                able.append((lane, who.account))
        return privatised(desk, able)

    def _overlap(self, trained: LaneResult[int]) -> dict[str, float]:
        """Scores of what the user's kept adapter answers to some held-out prompts, where the config asks for them.

        An answer may be as long as the longest that the user wrote to these prompts. Nobody is billed for it.
        """
        texts = self.users[trained.key].held_out[: self._work.config.training.scored_answers]
        if not texts or self._job.amount != 1.0:
            return {}
        lm, references = self._desk.lm, [text.answer for text in texts]
        answers = generate(
            lm,
            [text.prompt for text in texts],
            max(1, *map(len, lm.ids(references))),
            self._desk.lanes,
            trained.adapter,
            PROMPT_TOKENS,
        )
        return overlap(answers, references)


def _amount(work: Workplace, job: Job) -> int:
    """How many of a user's texts the phone has: one to choose by where it has none to train on."""
    return max(1, round(job.amount * work.config.population.texts))


def _unmeasured(user: User, texts: int, nearest: Sequence[str]) -> Outcome:
    """The outcome of a user of whom nothing was measured yet."""
    return Outcome(
        user_id=user.id,
        phone=user.phone,
        network=user.connection,
        styles=list(user.styles),
        taught=user.taught,
        attacker=user.attacker,
        texts=texts,
        start={},
        nearest=nearest,
        curve=[],
        steps=0,
        train_tokens=0,
        evaluated_tokens=0,
        wall_s=0.0,
    )


def _failed(user: User, texts: int, nearest: Sequence[str], failure: UserFailed) -> Outcome:
    return replace(_unmeasured(user, texts, nearest), failed=str(failure), traceback=trace(failure))
