"""No way around the meter or to the truth: what a strategy is handed leads to nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sim.cloud.view import CloudView, ShownPool, answering, cloud_view
from sim.common.sealed import sealed, sealed_value
from sim.corpus import Corpus
from sim.experiment.strategies import make_strategy
from sim.llm.model import LanguageModel
from sim.messages import Job, Outcome
from sim.pool.offers import load_offer
from sim.pool.pool import Card, Pool
from sim.population.users import User
from sim.serving.account import Account
from sim.serving.desk import Desk
from sim.serving.resident import Resident
from sim.worker.cohort import Batch, simulate
from sim.worker.workplace import Workplace
from strategies.base import Cloud, Download, Evaluate, Owner, Request, Start, Strategy, Text, Train
from tests.reach import reachable
from tests.runs import provider_of, small_config, task_of, workplace_of

FORBIDDEN = (User, LanguageModel, torch.nn.Module, torch.Tensor, Pool, Card, Corpus, Resident, Desk, Workplace, Account)


def batch_of(llm: Path, folder: Path, strategy: str, *overrides: str) -> Batch:
    config = small_config(llm, folder, *overrides)
    provider, pool = provider_of(config)
    work, job = workplace_of(config), Job(0, strategy, (0, 1), targets=(0.0, 0.0))
    return Batch(work, task_of(provider, pool, work, job, folder / "offer"), job, make_strategy(strategy, config))


@pytest.mark.parametrize("availability", ["always", "daily"])
def test_nothing_is_reachable_from_a_phone_but_its_own(tiny_llm: Path, tmp_path: Path, availability: str) -> None:
    batch = batch_of(tiny_llm, tmp_path, "random", f"population.availability={availability}")
    assert list(batch.participants) == [0, 1]
    for user_id, participant in batch.participants.items():
        view, user = participant.view, batch.users[user_id]
        view.price(Train(Start(), view.texts, 1.0))  # what is made when it is first wanted is there now
        assert list(view.texts) == list(user.texts)
        found = reachable(view)
        assert any(isinstance(part, Text) for part in found)
        assert [part for part in found if isinstance(part, FORBIDDEN)] == []
        assert [part for part in found if isinstance(part, str) and part in user.styles] == []
        others = [text for other in batch.users.values() if other is not user for text in other.texts]
        hidden = {*user.held_out, *others} - set(user.texts)
        assert [part for part in found if isinstance(part, Text) and part in hidden] == []


def test_only_who_declares_it_is_handed_the_truth(tiny_llm: Path, tmp_path: Path) -> None:
    for strategy, told in (("random", False), ("oracle", True)):
        batch = batch_of(tiny_llm, tmp_path / strategy, strategy)
        assert (batch.participants[0].view.truth is not None) is told


@pytest.fixture
def cloud(tiny_llm: Path, tmp_path: Path) -> CloudView:
    provider, pool = provider_of(small_config(tiny_llm, tmp_path))
    answered = answering(Desk(provider.resident, pool), Account())
    return cloud_view(ShownPool.of(pool), provider.resident, answered, dict)


def test_nothing_is_reachable_from_the_cloud_but_weights_and_amounts(cloud: CloudView) -> None:
    first = cloud.pool.ids[0]
    reply = cloud.ask(Evaluate(Start({first: 1.0}), [Text("a", "b c")]))
    assert reply > 0
    assert cloud.pool.texts(first) == 8
    found = reachable(cloud, reply, cloud.pool.adapter(first))
    assert [part for part in found if isinstance(part, FORBIDDEN)] == []


def refused(cloud: Cloud | Owner, request: Request[object]) -> Exception:
    """The error that a request leads to, as a strategy would catch it."""
    try:
        cloud.ask(request)
    except Exception as error:
        return error
    raise AssertionError("it was answered")


def test_an_error_of_the_cloud_says_why_and_leads_nowhere(cloud: CloudView) -> None:
    train = refused(cloud, Train(Start(), [Text("a", "b")], 1.0))
    assert "the cloud has nobody to fine-tune for" in str(train)
    unknown = refused(cloud, Download("nobody"))
    assert "no pLLM 'nobody'" in str(unknown)
    assert [part for part in reachable(train, unknown) if isinstance(part, FORBIDDEN)] == []


def test_a_sealed_function_gives_its_value_and_nothing_else() -> None:
    secret, made = object(), []

    def value() -> object:
        made.append(1)
        return ("seen", len(made))

    once = sealed_value(value)
    assert once() == once() == ("seen", 1)
    ask = sealed(lambda number: (number, secret)[0])
    assert (ask(1), ask(2)) == (1, 2)
    assert not any(part is secret or part is made for part in reachable(once, ask))
    plain = lambda number: (number, secret)[0]  # noqa: E731 - the walk does find what a closure holds
    assert any(part is secret for part in reachable(plain))


class Burglar(Strategy):
    """Tries to get at models, held-out texts, the truth and other users from all that it is handed."""

    attempts = 0
    stolen: tuple[str, ...] = ()

    def choose(self, phone, offer):  # type: ignore[no-untyped-def]
        first = offer.pllms[0]
        reply = yield Evaluate(Start({first: 1.0}), phone.texts)
        ways = {
            "the truth, asked for": lambda: phone.nearest,
            "the truth behind the property": lambda: phone.truth,
            "the user": lambda: phone.user,
            "texts held out": lambda: phone.held_out,
            "what a method is bound to": lambda: phone.price.__self__.user,
            "what a function wraps": lambda: phone.own_texts.__wrapped__,
            "what a function closes over": lambda: phone.own_texts.__closure__,
            "what a function reduces to": lambda: phone.own_texts.__reduce__()[1],
            "the phone's account": lambda: phone.on_phone.__self__.work,
            "a closure of the reply": lambda: reply.__closure__,
            "the array that a reply was cut from": lambda: reply.base,
            "a model by the offer": lambda: offer.pool,
            "a phone that says of itself what it likes": lambda: setattr(phone, "seed", 1) or "set",
        }
        type(self).attempts = len(ways)
        for name, way in ways.items():
            try:
                thing = way()
            except Exception:
                continue
            if thing is not None and not isinstance(thing, str) | (name == "what a function reduces to"):
                type(self).stolen += (name,)
        parts = [type(part).__name__ for part in reachable(phone, offer, reply) if isinstance(part, FORBIDDEN)]
        type(self).stolen += tuple(parts)
        return Start({first: 1.0})


def test_a_strategy_that_tries_every_way_around_finds_nothing(tiny_llm: Path, tmp_path: Path) -> None:
    config, name = small_config(tiny_llm, tmp_path), f"{__name__}:Burglar"
    provider, pool = provider_of(config)
    work, job = workplace_of(config), Job(0, name, (0,), targets=(0.0,))
    task = task_of(provider, pool, work, job, tmp_path / "offer")
    outcome: Outcome
    (outcome,) = simulate(work, task)
    assert load_offer(task.offer).pllms == pool.ids
    assert Burglar.attempts >= 8
    assert Burglar.stolen == ()
    assert outcome.work["Download"][""]["pllms"] == 1  # used, so downloaded and billed
    assert outcome.work["Evaluate"]["base"]["requests"] == 1
