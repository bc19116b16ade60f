"""Train requests: what a phone trains before it chooses is real training, stays on the phone, and is billed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from devices import Device, llm
from sim.experiment.config import Config
from sim.ledger.meter import Meter
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.llm.training.finetune import epochs
from sim.llm.training.progress import Lane, Plan, set_aside
from sim.messages import Connection, Job, Outcome
from sim.pool.pool import Pool
from sim.population.users import draw_user
from sim.serving.account import Account, PhoneAccount
from sim.serving.answer import answer
from sim.serving.desk import Desk
from sim.serving.requests import Asked, handlers
from sim.serving.resident import Resident
from sim.worker.cohort import simulate
from strategies.base import Choosing, Download, Evaluate, Offer, Phone, Start, Strategy, Text, Train, Trained
from tests.runs import provider_of, run, task_of, tiny_config, workplace_of
from tests.sim.llm.test_lanes import peft_run


@dataclass
class Home:
    """A loaded LLM with a pool, and phones that ask."""

    resident: Resident
    pool: Pool
    config: Config

    def __post_init__(self) -> None:
        self.desk, self.layout = Desk(self.resident, self.pool), self.resident.lanes.layout

    def texts(self, user: int) -> Sequence[Text]:
        styles = [card.style for card in self.pool.cards.values()]
        return draw_user(self.config, self.resident.corpus, styles, user).texts

    def train(self, request: Train, account: PhoneAccount) -> Trained:
        (reply,) = answer(self.desk, [Asked(request, account)])
        assert isinstance(reply, Trained)
        return reply


def account(user: int = 0) -> PhoneAccount:
    return PhoneAccount(user, 0)


@pytest.fixture(scope="module")
def home(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
        config = tiny_config(tiny_llm, tmp_path_factory.mktemp("out"))
        provider, pool = provider_of(config)
        yield Home(provider.resident, pool, config)


def test_a_trial_equals_a_peft_run(home: Home, tiny_llm: Path, tmp_path: Path) -> None:
    first, own = home.pool.ids[0], home.texts(0)
    reply = home.train(Train(Start({first: 1.0}), own, 3), account())
    layout, training = home.layout, home.config.training
    layout.save(tmp_path / "a", home.pool.adapter(first, layout), str(tiny_llm))
    texts = home.desk.encode(own)
    trained, _ = set_aside(texts)
    lane = Lane(0, torch.empty(0), trained, account().batches_rng(0), training.lr, held_out=texts)
    plan = Plan(3, training.batch, training.weight_decay, training.max_grad_norm, evaluate_every=3)
    losses, tensors = peft_run(tiny_llm, tmp_path / "a", lane, plan)
    torch.testing.assert_close(home.desk.own[reply.start.best], layout.from_state_dict(tensors), atol=1e-4, rtol=1e-4)
    assert reply.loss == pytest.approx(losses[-1], abs=1e-4)
    assert losses[-1] < losses[0]


def test_trials_of_many_phones_do_not_touch_each_other(home: Home) -> None:
    def ask(users: Sequence[int], steps: dict[int, int]) -> list[torch.Tensor]:
        accounts = [account(u) for u in users]
        starts = [Start({home.pool.ids[u]: 1.0}) if u else Start() for u in users]

        def train(starts: Sequence[Start], steps: Sequence[int]) -> list[Trained]:
            wanted = [Train(s, home.texts(u), n) for s, u, n in zip(starts, users, steps, strict=True)]
            return answer(home.desk, [Asked(w, a) for w, a in zip(wanted, accounts, strict=True)])  # type: ignore[return-value]

        once = train(starts, [steps[u] for u in users])
        return [home.desk.own[t.start.best] for t in train([t.start for t in once], [2] * len(users))]

    steps = {0: 2, 1: 1, 2: 2}
    together = ask([0, 1, 2], steps)
    for user in steps:
        torch.testing.assert_close(ask([user], steps)[0], together[user], atol=1e-5, rtol=1e-5)


def test_what_is_trained_is_counted(home: Home) -> None:
    phone, first, own = account(), home.pool.ids[0], home.texts(0)
    batch, texts = home.config.training.batch, home.desk.encode(own)
    order = epochs(phone.batches_rng(0), len(set_aside(texts)[0]), batch)
    trained = sum(len(texts[i]) for _ in range(2) for i in next(order))
    reply = home.train(Train(Start({first: 1.0}), own, 2), phone)
    work = phone.work.counts()["Train"]["base"]
    assert (work["steps"], work["trained"], work["requests"]) == (2, trained, 1)
    assert (work["sequences"], work["tokens"]) == (6, sum(map(len, texts)))
    home.train(Train(reply.start, own, 1), phone)
    assert phone.work.counts()["Train"]["base"]["steps"] == 3
    assert phone.trained(reply.start) == 2
    assert phone.origin(Start({reply.start.best: 0.5, "other": 0.25})) == Start({first: 0.5, "other": 0.25})
    phone.fetch([first, reply.start.best])
    phone.fetch([first])
    assert phone.work.counts()["Download"][""] == {"pllms": 1}


class Trying(Strategy):
    """Downloads one pLLM twice, trains a second one that it never asked for, starts from that."""

    seen: list[float] = []  # noqa: RUF012

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        yield Download(offer.pllms[0])
        yield Download(offer.pllms[0])
        trained = yield Train(Start({offer.pllms[1]: 1.0}), phone.texts, 2)
        self.seen.append(trained.loss - (yield Evaluate(trained.start, phone.texts)))
        return trained.start


def test_trials_go_through_a_run(tiny_llm: Path, tmp_path: Path) -> None:
    Trying.seen.clear()
    name = f"{__name__}:Trying"
    tables = run(tiny_config(tiny_llm, tmp_path, f'strategies=["scratch", "{name}"]'))
    rows, pool = tables["users"].query("strategy == @name"), tables["pool"]
    np.testing.assert_allclose(Trying.seen, 0.0, atol=1e-5)
    assert (rows.chosen == pool.pllm[1]).all()
    assert (rows.bytes_down == 2 * pool.bytes[0]).all()  # used is billed, asked for twice is not


def test_the_cloud_says_why_it_does_not_train(home: Home) -> None:
    with pytest.raises(PermissionError, match="Train is a phone's request"):
        answer(home.desk, [Asked(Train(Start(), home.texts(0), 1), Account())])


WIFI = Connection("wifi", 80.0, 20.0, 20.0)


def test_trial_steps_are_billed_as_fine_tuning_steps_are() -> None:
    llms = {"base": llm("smollm2-135m"), "summarizer": None}
    meter = Meter(Config.load(None, ["billing.tokens_per_step=0"]), llms, handlers(), 50.0)
    trials = {"Train": {"base": {"steps": 15, "batches": 15, "trained": 1500}}}
    curve = [(0, 3.0), (15, 1.0)]
    outcome = Outcome(0, "oneplus-12", WIFI, ["a"], 12, {}, [], curve, 15, 1500, 400, 0.1, trials)
    (row,) = meter.rows(Job(0, "hyperband", (0,)), [outcome], {0: 1.0}, 10.0)["users"]
    assert row["billed_steps"] == 150
    for unit in ("flops", "s", "j"):
        assert row[f"selection_{unit}"] == pytest.approx(row[f"finetune_{unit}"])
    assert row["model_selection_flops"] == row["model_finetune_flops"] > 0


def test_parts_of_a_step_are_steps_at_that_part_of_the_learning_rate(home: Home) -> None:
    first = home.pool.ids[0]
    before = home.pool.adapter(first, home.layout)

    def moved(steps: float) -> tuple[float, Mapping[str, float]]:
        phone = account()
        reply = home.train(Train(Start({first: 1.0}), home.texts(0), steps), phone)
        return float((home.desk.own[reply.start.best] - before).norm()), phone.work.counts()["Train"]["base"]

    whole, work = moved(1)
    part, less = moved(0.1)
    assert part == pytest.approx(0.1 * whole, rel=1e-3)  # AdamW's first step is as long as its learning rate
    assert (work["steps"], work["batches"], less["steps"], less["batches"]) == (1, 1, 0.1, 1)
    assert less["trained"] == work["trained"]
    assert moved(1.5)[1]["batches"] == 2


def test_what_a_merge_was_trained_to_can_be_merged_again(home: Home) -> None:
    """Its rank is that of all that was merged."""
    first, second, third = home.pool.ids
    start = Start({first: 0.5, second: 0.5})
    trained = home.train(Train(start, home.texts(0), 1), account()).start.best
    layout = home.layout
    own = home.desk.own[trained]
    merged = home.desk.adapter(Start({trained: 0.7, third: 0.3}))
    parts = [(0.7, own), (0.3, home.pool.adapter(third, layout))]
    (a, b), of_parts = layout.of(merged).views(merged[None])[0], [layout.of(f).views(f[None])[0] for _, f in parts]
    dense = sum(w * pb @ pa for (w, _), (pa, pb) in zip(parts, of_parts, strict=True))
    torch.testing.assert_close(b @ a, dense, atol=1e-5, rtol=1e-5)


def test_parts_of_a_step_are_billed_as_parts() -> None:
    terms, phone = Terms.of(Config.load(None, []), 50.0, 25.0), Device.of(["oneplus-12"])
    part, whole = (
        handlers()["Train"].cost(terms, phone, "base", Figures(steps=n, batches=1, trained=90))[-1] for n in (0.04, 1)
    )
    assert part.flops == pytest.approx(0.04 * whole.flops)


def test_an_offer_s_own_adapters_are_starts(tiny_llm: Path, tmp_path: Path) -> None:
    config = tiny_config(tiny_llm, tmp_path, 'strategies=["fedavg"]')
    provider, pool = provider_of(config)
    work, job = workplace_of(config), Job(0, "fedavg", (0, 1))
    outcomes = simulate(work, task_of(provider, pool, work, job, tmp_path / "offer"))
    assert [o.start for o in outcomes] == [{"fedavg": 1.0}] * 2
