"""Train requests: what a phone trains before it chooses is real training, stays on the phone, and is billed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from devices import llm
from sim.cloud.view import Cloud
from sim.experiment.config import Config
from sim.experiment.strategies import make_strategy
from sim.ledger.meter import Meter, Scale
from sim.ledger.work import Work
from sim.llm.finetune import Lane, Plan, epochs
from sim.messages import Job, Outcome
from sim.pool.offers import make_offer
from sim.population.users import draw_user
from sim.serving.resident import Resident
from sim.worker.cohort import simulate
from sim.worker.phone import UserPhone
from sim.worker.training import train
from strategies.base import Choosing, Download, Evaluate, Offer, Phone, Start, Strategy, Train
from tests.sim.llm.test_lanes import peft_run
from tests.strategies.tiny import run, tiny_config


@pytest.fixture(scope="module")
def resident(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resident]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield Resident(tiny_config(tiny_llm, tmp_path_factory.mktemp("out")))


def phones(resident: Resident, count: int) -> list[UserPhone]:
    users = [draw_user(resident.config, resident.corpus, resident.user_styles, i) for i in range(count)]
    return [UserPhone(u, len(u.texts), resident.config.seed, [], False) for u in users]


def test_a_trial_equals_a_peft_run(resident: Resident, tiny_llm: Path, tmp_path: Path) -> None:
    (phone,), first = phones(resident, 1), resident.pool.ids[0]
    reply = train(resident, [Train(Start({first: 1.0}), phone.texts, 3)], [phone])[0]
    layout, training = resident.lanes.layout, resident.config.training
    layout.save(tmp_path / "a", resident.pool.adapter(first, layout), str(tiny_llm))
    texts = resident.answers.encode(phone.texts)
    lane = Lane(0, torch.empty(0), texts, texts, phone.rng("train after 0 steps"))
    plan = Plan(3, training.batch, training.lr, training.weight_decay, training.max_grad_norm, evaluate_every=3)
    losses, tensors = peft_run(tiny_llm, tmp_path / "a", lane, plan)
    torch.testing.assert_close(
        resident.answers.own[reply.start.best], layout.from_state_dict(tensors), atol=1e-4, rtol=1e-4
    )
    assert reply.loss == pytest.approx(losses[-1], abs=1e-4)
    assert losses[-1] < losses[0]


def test_trials_of_many_phones_do_not_touch_each_other(resident: Resident) -> None:
    def ask(some: list[UserPhone], steps: dict[int, int]) -> list[torch.Tensor]:
        starts = [Start({resident.pool.ids[p.user.id]: 1.0}) if p.user.id else Start() for p in some]
        wanted = [Train(s, p.texts, steps[p.user.id]) for s, p in zip(starts, some, strict=True)]
        once = train(resident, wanted, some)
        twice = train(resident, [Train(t.start, p.texts, 2) for t, p in zip(once, some, strict=True)], some)
        return [resident.answers.own[t.start.best] for t in twice]

    steps = {0: 2, 1: 1, 2: 2}
    together = ask(phones(resident, 3), steps)
    for i, phone in enumerate(phones(resident, 3)):
        torch.testing.assert_close(ask([phone], steps)[0], together[i], atol=1e-5, rtol=1e-5)


def test_what_is_trained_is_counted(resident: Resident) -> None:
    (phone,), first = phones(resident, 1), resident.pool.ids[0]
    batch, texts = resident.config.training.batch, resident.answers.encode(phone.texts)
    order = epochs(phone.rng("train after 0 steps"), len(texts), batch)
    trained = sum(len(texts[i]) for _ in range(2) for i in next(order))
    reply = train(resident, [Train(Start({first: 1.0}), phone.texts, 2)], [phone])[0]
    work = phone.work
    assert (work.train_steps, work.train_tokens, work.requests) == (2, trained, 1)
    assert (work.evaluate_sequences, work.evaluate_tokens) == (6, sum(map(len, texts)))
    train(resident, [Train(reply.start, phone.texts, 1)], [phone])
    assert work.train_steps == 3
    assert phone.trained(reply.start) == 2
    assert phone.origin(Start({reply.start.best: 0.5, "other": 0.25})) == Start({first: 0.5, "other": 0.25})
    phone.fetch([first, reply.start.best])
    phone.fetch([first])
    assert work.pllm_downloads == 1


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


@pytest.mark.parametrize(("steps", "texts"), [(0, 6), (1, 0)])
def test_a_train_request_that_trains_nothing_is_refused(resident: Resident, steps: int, texts: int) -> None:
    (phone,) = phones(resident, 1)
    with pytest.raises(ValueError, match="without steps or without texts"):
        train(resident, [Train(Start(), phone.texts[:texts], steps)], [phone])


def test_trial_steps_are_billed_as_fine_tuning_steps_are() -> None:
    meter = Meter(Config.load(None, ["billing.tokens_per_step=0"]), llm("smollm2-135m"), None)
    network = {"access": "wifi", "down_mbps": 80.0, "up_mbps": 20.0, "latency_ms": 20.0}
    trials = Work(train_steps=15, train_batches=15, train_tokens=1500).as_dict()
    curve = [(0, 3.0), (15, 1.0)]
    outcome = Outcome(0, "oneplus-12", network, ["a"], 12, {}, [], curve, 15, 1500, 400, 0.1, trials)
    (row,) = meter.rows(Job(0, "hyperband", (0,)), [outcome], {0: 1.0}, Scale(10.0, 50.0))["users"]
    assert row["billed_steps"] == 150
    for unit in ("flops", "s", "j"):
        assert row[f"selection_{unit}"] == pytest.approx(row[f"finetune_{unit}"])
    assert row["model_selection_flops"] == row["model_finetune_flops"] > 0


def test_parts_of_a_step_are_steps_at_that_part_of_the_learning_rate(resident: Resident) -> None:
    first, layout = resident.pool.ids[0], resident.lanes.layout
    before = resident.pool.adapter(first, layout)

    def moved(steps: float) -> tuple[float, Work]:
        (phone,) = phones(resident, 1)
        reply = train(resident, [Train(Start({first: 1.0}), phone.texts, steps)], [phone])[0]
        return float((resident.answers.own[reply.start.best] - before).norm()), phone.work

    whole, work = moved(1)
    part, less = moved(0.1)
    assert part == pytest.approx(0.1 * whole, rel=1e-3)  # AdamW's first step is as long as its learning rate
    assert (work.train_steps, work.train_batches, less.train_steps, less.train_batches) == (1, 1, 0.1, 1)
    assert less.train_tokens == work.train_tokens
    assert moved(1.5)[1].train_batches == 2


def test_what_a_merge_was_trained_to_can_be_merged_again(resident: Resident) -> None:
    """Its rank is that of all that was merged."""
    (phone,), (first, second, third) = phones(resident, 1), resident.pool.ids
    trained = train(resident, [Train(Start({first: 0.5, second: 0.5}), phone.texts, 1)], [phone])[0].start.best
    layout, answers = resident.lanes.layout, resident.answers
    own = answers.own[trained]
    merged = answers.adapter(Start({trained: 0.7, third: 0.3}))
    parts = [(0.7, own), (0.3, resident.pool.adapter(third, layout))]
    (a, b), of_parts = layout.of(merged).views(merged[None])[0], [layout.of(f).views(f[None])[0] for _, f in parts]
    dense = sum(w * pb @ pa for (w, _), (pa, pb) in zip(parts, of_parts, strict=True))
    torch.testing.assert_close(b @ a, dense, atol=1e-5, rtol=1e-5)


def test_parts_of_a_step_are_billed_as_parts() -> None:
    meter, scale = Meter(Config.load(None, []), llm("smollm2-135m"), None), Scale(25.0, 50.0)
    network = {"access": "wifi", "down_mbps": 80.0, "up_mbps": 20.0, "latency_ms": 20.0}
    device = meter.device([Outcome(0, "oneplus-12", network, ["a"], 12, {}, [], [(0, 1.0)], 15, 1500, 400, 0.1)])
    part, whole = (
        meter.selection(device, Work(train_steps=n, train_batches=1, train_tokens=90), scale) for n in (0.04, 1)
    )
    assert part.flops == pytest.approx(0.04 * whole.flops)


def test_own_adapters_are_forgotten_after_a_job(tiny_llm: Path, tmp_path: Path) -> None:
    config = tiny_config(tiny_llm, tmp_path, 'strategies=["fedavg"]')
    home = Resident(config)
    make_offer(tmp_path / "offer", make_strategy("fedavg", config), Cloud(home))
    outcomes = simulate(home, Job(0, "fedavg", (0, 1), offer=str(tmp_path / "offer")))
    assert [o.start for o in outcomes] == [{"fedavg": 1.0}] * 2
    assert home.answers.own == {}
