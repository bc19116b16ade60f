"""lexical and average: what reviewers compare a selector with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from strategies.average import Average, mean
from strategies.base import Choice, Generate, Offer, Start, Text
from strategies.lexical import Lexical, log_odds
from tests.runs import provider_of, run, tiny_config


class Answers:
    """A cloud whose pLLMs always answer the same."""

    probes = ("p", "q")

    def __init__(self, **answers: str) -> None:
        self.pool, self.answers = SimpleNamespace(ids=tuple(answers)), answers

    def ask(self, request: Any) -> Sequence[str]:
        assert isinstance(request, Generate)
        return [self.answers[request.start.best]] * len(request.prompts)


def chosen(strategy: Lexical, offer: Offer, *answers: str) -> Choice:
    phone: Any = SimpleNamespace(texts=[Text("p", a) for a in answers])
    choice = strategy.choose(phone, offer)
    assert isinstance(choice, Choice)
    return choice


def offered(strategy: Lexical, **answers: str) -> Offer:
    cloud: Any = Answers(**answers)
    return strategy.offer(cloud)


def test_the_offer_is_words_and_counts() -> None:
    offer = offered(Lexical(), a="Ahoy, matey! Don't.", b="Ahoy... hello")
    assert offer.pllms == ("a", "b")
    assert offer.payload["words"] == ["!", ",", ".", "ahoy", "don't", "hello", "matey"]
    np.testing.assert_array_equal(offer.payload["counts"], [[2, 2, 2, 2, 2, 0, 2], [0, 0, 6, 2, 0, 2, 0]])
    assert np.asarray(offer.payload["counts"]).dtype == np.uint8


def test_log_odds_are_those_of_naive_bayes_with_the_pool_as_prior() -> None:
    odds = log_odds(np.array([[3.0, 1.0], [0.0, 4.0]]), prior=2.0)
    # 8 words in all, 3 and 5 of each kind; the prior weighs 2 x 2 words: 1.5 and 2.5 of them
    expected = np.log([[(3 + 1.5) / 8 / (3 / 8), (1 + 2.5) / 8 / (5 / 8)], [1.5 / 8 / (3 / 8), 6.5 / 8 / (5 / 8)]])
    np.testing.assert_allclose(odds, expected)


def test_lexical_goes_by_the_words_of_the_own_texts() -> None:
    offer = offered(Lexical(), pirate="Arr, the sea, matey!", clerk="Pursuant to the form.", plain="the the the")
    assert chosen(Lexical(), offer, "The MATEY", "arr").start == Start({"pirate": 1.0})
    choice = chosen(Lexical(), offer, "pursuant to something")
    assert choice.start == Start({"clerk": 1.0})
    assert choice.scores["clerk"] < 0 < choice.scores["pirate"]
    assert chosen(Lexical(texts=1), offer, "pursuant", *["matey"] * 9).start == Start({"clerk": 1.0})


@pytest.mark.parametrize("own", [(), ("nobody says that",)])
def test_without_a_known_word_all_are_alike(own: tuple[str, ...]) -> None:
    assert set(chosen(Lexical(), offered(Lexical(), a="one", b="two"), *own).scores.values()) == {0.0}


def test_pllms_that_answer_nothing() -> None:
    assert chosen(Lexical(), offered(Lexical(), a="", b=""), "text").start == Start({"a": 1.0})
    assert chosen(Lexical(), offered(Lexical(), a="", b="text", c="more"), "text").start == Start({"b": 1.0})


@pytest.mark.parametrize(("inputs", "outputs", "rank"), [(12, 9, 2), (5, 20, 3), (4, 3, 8)])
def test_a_compressed_average_is_the_nearest_of_its_rank(inputs: int, outputs: int, rank: int) -> None:
    rng, a, b = np.random.default_rng(0), "layer.lora_A.weight", "layer.lora_B.weight"
    own = [{a: rng.normal(size=(rank, inputs)), b: rng.normal(size=(outputs, rank))} for _ in range(4)]
    found = mean(own)
    assert (found[a].shape, found[b].shape) == ((rank, inputs), (outputs, rank))
    u, s, v = np.linalg.svd(np.mean([t[b] @ t[a] for t in own], axis=0), full_matrices=False)
    np.testing.assert_allclose(found[b] @ found[a], (u[:, :rank] * s[:rank]) @ v[:rank], atol=1e-10)


def test_what_is_no_product_is_averaged() -> None:
    own = [{"layer.ia3_l": np.array([1.0, 2.0], np.float16)}, {"layer.ia3_l": np.array([3.0, 5.0], np.float16)}]
    np.testing.assert_array_equal(mean(own)["layer.ia3_l"], [2.0, 3.5])


def test_a_compressed_average_is_one_download(tiny_llm: Path, tmp_path: Path) -> None:
    options = "options={small = {use = 'average', compressed = true}}"
    users = run(tiny_config(tiny_llm, tmp_path, "strategies=scratch,small", options))["users"].query(
        "strategy=='small'"
    )
    assert set(users.chosen) == {"average"}
    assert users.bytes_down.nunique() == 1
    assert 0 < users.bytes_down.iloc[0] < 12e6


def test_average_is_the_mean_of_the_deltas(tiny_llm: Path, tmp_path: Path) -> None:
    provider, pool = provider_of(tiny_config(tiny_llm, tmp_path))
    layout = provider.resident.lanes.layout
    start = Average().choose(None, Offer(pool.ids))  # type: ignore[arg-type]
    flats = [pool.adapter(name, layout) for name in pool.ids]
    merged = layout.merge(flats, [start.weights[name] for name in pool.ids])

    def deltas(flat: torch.Tensor) -> list[torch.Tensor]:
        return [(b @ a)[0] for a, b in layout.of(flat).views(flat[None])]

    average_of_parts = deltas(torch.stack(flats).mean(dim=0))  # fedavg's
    for ours, theirs, parts in zip(
        deltas(merged), zip(*map(deltas, flats), strict=True), average_of_parts, strict=True
    ):
        mean = torch.stack(theirs).mean(dim=0)
        torch.testing.assert_close(ours, mean, atol=1e-6, rtol=1e-5)
        assert (parts - mean).norm() > 0.1 * mean.norm()
