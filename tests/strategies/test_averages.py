"""Averages and merges: fedavg is the plain mean, xpert_merge finds the mixture, lorahub stays in bounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from sim.cloud.pools.offers import make_offer
from sim.pool.offers import load_offer, offer_adapters, offer_bytes, offer_folder
from strategies.base import Choice, Evaluate, Offer, Start, Text
from strategies.fedavg import FedAvg
from strategies.lorahub import LARGEST, Lorahub
from strategies.retrieval import Retrieval
from strategies.xpert import Xpert, distances
from strategies.xpert.merge import XpertMerge
from tests.runs import provider_of, tiny_config


def test_fedavg_is_the_mean_of_a_and_of_b_in_a_plain_peft_folder(tiny_llm: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    provider, pool = provider_of(tiny_config(tiny_llm, tmp_path))
    make_offer(tmp_path / "offer", FedAvg(), provider, pool)
    resident = provider.resident
    layout = resident.lanes.layout
    mean = torch.stack([pool.adapter(p, layout) for p in pool.ids]).mean(dim=0)
    flat = offer_adapters(tmp_path / "offer", layout)["fedavg"]
    torch.testing.assert_close(flat, mean, atol=1e-4, rtol=1e-3)  # kept in half precision, as pLLMs are
    torch.testing.assert_close(layout.load(tmp_path / "offer" / "adapters" / "fedavg"), flat)
    offer = load_offer(tmp_path / "offer")
    assert (offer.pllms, offer_bytes(offer), offer.adapters) == (("fedavg",), 0, {})
    base = AutoModelForCausalLM.from_pretrained(tiny_llm)
    ids = torch.arange(20)[None] + 10
    with torch.no_grad(), resident.lanes.serving(flat[None]):
        ours = resident.lm.model(input_ids=ids).logits
    theirs = PeftModel.from_pretrained(base, tmp_path / "offer" / "adapters" / "fedavg")(input_ids=ids).logits
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


POOL = np.array([[1.0, 0.1, 0.0], [0.0, 1.0, 0.2], [0.1, 0.0, 0.9], [0.6, 0.7, 0.1]])


def weigh(strategy: Xpert, z: np.ndarray) -> dict[int, float]:
    return strategy.weigh(z, POOL, distances(z, POOL, "cosine"))


@pytest.mark.parametrize("mixed", [{0: 0.6, 1: 0.4}, {1: 0.5, 2: 0.7}, {0: 0.3, 1: 0.3, 2: 0.4}])
def test_xpert_merge_finds_the_shares_of_what_was_mixed(mixed: dict[int, float]) -> None:
    pool = POOL[:3]
    z = sum(w * pool[i] for i, w in mixed.items())
    found = XpertMerge(gain=0.0).weigh(z, pool, distances(z, pool, "cosine"))
    assert found == pytest.approx({i: w / sum(mixed.values()) for i, w in mixed.items()})


def test_xpert_merge_of_one_is_xpert() -> None:
    for i, row in enumerate(POOL[:3]):
        noisy = 1.2 * row + 0.01
        assert weigh(XpertMerge(), noisy) == weigh(Xpert(), noisy) == {i: 1.0}
    assert weigh(XpertMerge(most=1), POOL[0] + POOL[1]) == weigh(Xpert(), POOL[0] + POOL[1])
    away = -POOL[0]  # nothing non-negative comes near
    assert weigh(XpertMerge(), away) == weigh(Xpert(), away)


@pytest.mark.parametrize("strategy", [Xpert(), XpertMerge(), XpertMerge(gain=0.0)])
def test_a_pllm_without_numbers_is_not_chosen(strategy: Xpert) -> None:
    z, pool = POOL[0] + POOL[1], np.vstack([np.full(3, np.nan), POOL])
    found = strategy.weigh(z, pool, distances(z, pool, "cosine"))
    assert found == {i + 1: w for i, w in weigh(strategy, z).items()}


def test_xpert_merge_is_capped() -> None:
    z = POOL[0] + 0.5 * POOL[1] + 0.8 * POOL[2]
    assert set(XpertMerge(most=2, gain=0.0).weigh(z, POOL[:3], distances(z, POOL[:3], "cosine"))) == {0, 2}


def test_variants_that_differ_on_the_phone_alone_share_an_offer(tmp_path: Path) -> None:
    class Heir(XpertMerge):
        pass

    same = [Xpert(), Xpert(texts=4, metric="l2"), XpertMerge(), XpertMerge(most=2, texts=9)]
    other = [Xpert(probes=9), XpertMerge(e_ortho=0.8), Retrieval(), Heir()]
    folders = [offer_folder(tmp_path, tmp_path / "cache", s, {}) for s in [*same, *other]]
    assert len(set(folders[:4])) == 1
    assert len(set(folders)) == 1 + len(other)


class FakePhone:
    texts: Sequence[Text] = ()
    nearest: Sequence[str] = ()

    def rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng(3)


def test_lorahub_comes_near_the_best_weights_and_stays_in_bounds() -> None:
    best = {"a": 0.9, "b": -0.5, "c": 0.0}
    asked = []
    choosing = Lorahub(pllms=3, trials=200, l1=0.0).choose(FakePhone(), Offer(("a", "b", "c")))
    reply = None
    while True:
        try:
            request = choosing.send(reply)
        except StopIteration as end:
            choice = end.value
            break
        reply = None
        if isinstance(request, Evaluate):
            asked.append(request.start)
            reply = sum((request.start.weights.get(n, 0.0) - w) ** 2 for n, w in best.items())
    assert isinstance(choice, Choice)
    assert asked[0] == Start()
    assert len(asked) == 200
    assert all(abs(w) <= LARGEST for start in asked for w in start.weights.values())
    assert {n: choice.start.weights[n] for n in best} == pytest.approx(best, abs=0.1)
