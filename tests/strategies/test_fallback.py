"""fallback: who has no good start abstains, and pays for finding out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.strategies import make_strategy
from sim.pool.offers import offer_folder
from strategies.base import Choice, Choosing, Evaluate, Offer, Phone, Start, Strategy, Text
from strategies.exhaustive import Exhaustive
from strategies.fallback import Fallback
from strategies.oracle import Oracle
from strategies.xpert import Xpert
from tests.runs import run, tiny_config

NAN = float("nan")


class Fixed(Strategy):
    """Starts from what it was told, in words or without, at once or after a request."""

    def __init__(self, choice: Choice | Start, asks: bool = False) -> None:
        self.choice, self.asks = choice, asks

    def choose(self, phone: Phone, offer: Offer) -> Any:
        return self._asking(phone) if self.asks else self.choice

    def _asking(self, phone: Phone) -> Choosing:
        yield Evaluate(Start({"other": 1.0}), phone.texts)
        return self.choice


def decided(strategy: Strategy, losses: Mapping[str, float]) -> tuple[Choice, list[Evaluate]]:
    """The choice where starts have losses by their best pLLM ("" is the base LLM), and what was asked for it."""
    phone: Any = SimpleNamespace(texts=tuple(Text(f"p{i}", "a") for i in range(20)), nearest=("near",))
    choosing: Any = Fallback(strategy, texts=8).choose(phone, Offer(("near",)))
    asked: list[Evaluate] = []
    try:
        reply = None
        while True:
            asked.append(choosing.send(reply))
            reply = losses[asked[-1].start.best]
    except StopIteration as end:
        return end.value, asked


@pytest.mark.parametrize(("loss", "kept"), [(1.0, True), (2.0, True), (2.1, False), (NAN, False)])
@pytest.mark.parametrize("asks", [False, True])
def test_a_start_is_kept_unless_it_is_worse_than_the_base(loss: float, kept: bool, asks: bool) -> None:
    start = Start({"a": 0.75, "b": 0.25})
    choice, asked = decided(Fixed(start, asks), {"a": loss, "": 2.0, "other": 0.0})
    assert choice.start == (start if kept else Start())
    assert [one.start for one in asked[-2:]] == [start, Start()]
    assert [len(one.texts) for one in asked[-2:]] == [8, 8]
    assert len(asked) == 2 + asks


def test_who_abstains_keeps_scores_and_words() -> None:
    before = Choice(Start({"a": 1.0}), {"a": 0.5}, {"rude": 1.0}, {"rude": 2.0})
    assert decided(Fixed(before), {"a": 3.0, "": 2.0})[0] == Choice(Start(), {"a": 0.5}, {"rude": 1.0}, {"rude": 2.0})


def test_from_scratch_there_is_nothing_to_compare() -> None:
    assert decided(Fixed(Start()), {}) == (Choice(Start()), [])


def test_what_it_wraps_may_read_the_truth() -> None:
    assert Fallback(Oracle()).reads_truth
    assert not Fallback(Exhaustive()).reads_truth
    assert not Fallback.reads_truth
    assert decided(Oracle(), {"near": 1.0, "": 2.0})[0].start == Start({"near": 1.0})


def test_it_shares_the_offer_of_what_it_wraps(tmp_path: Path) -> None:
    xpert = Xpert(probes=7)
    folders = [
        offer_folder(tmp_path, tmp_path / "cache", s, {})
        for s in (xpert, Fallback(xpert), Fallback(Fallback(Xpert(probes=7, texts=3)), texts=1), Fallback(Xpert()))
    ]
    assert folders[0] == folders[1] == folders[2] != folders[3]


def test_the_wrapped_strategy_has_the_settings_of_its_own_name() -> None:
    table = "options={careful = {use = 'fallback', strategy = 'few', texts = 3}, few = {use = 'xpert', texts = 5}}"
    careful = make_strategy("careful", Config.load(None, [table]))
    assert isinstance(careful, Fallback)
    assert isinstance(careful.strategy, Xpert)
    assert (careful.texts, careful.strategy.texts) == (3, 5)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("a = {use = 'fallback'}", r"options\.a\.strategy = None: the name of another strategy is expected"),
        ("a = {use = 'fallback', strategy = {use = 'xpert'}}", r"options\.a\.strategy = \{'use': 'xpert'\}: the name"),
        ("a = {use = 'fallback', strategy = 'a'}", r"options\.a\.strategy = 'a': the name of another"),
        (
            "a = {use = 'fallback', strategy = 'b'}, b = {use = 'fallback', strategy = 'a'}",
            r"options\.b\.strategy = 'a': the name of another",
        ),
        ("a = {use = 'fallback', strategy = 'xpert', texts = -1}", r"options\.a: texts = -1: 0 \(all\) or more"),
        ("a = {use = 'fallback', strategy = 'xprt'}", "Did you mean 'xpert'"),
        ("a = {use = 'fallback', strategy = 'xpert'}, xpert = {probe = 3}", r"options\.xpert: .*probe"),
    ],
)
def test_a_bad_wrapped_strategy_is_one_line(table: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make_strategy("a", Config.load(None, [f"options={{{table}}}"]))


class Ruined(Strategy):
    """Undoes what the first pLLM learnt, and more: nobody wants that start."""

    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start({offer.pllms[0]: -30.0})


def test_who_abstains_trains_as_from_scratch_and_pays_for_what_was_tried(tiny_llm: Path, tmp_path: Path) -> None:
    ruined = f"{__name__}:Ruined"
    table = (
        f"options={{careful = {{use = 'fallback', strategy = '{ruined}', texts = 2}},"
        " sure = {use = 'fallback', strategy = 'oracle', texts = 0}}"
    )
    config = tiny_config(
        tiny_llm,
        tmp_path,
        f'strategies=["scratch", "oracle", "{ruined}", "careful", "sure"]',
        table,
        "pool.steps=20",
        "pool.lr=0.03",
    )
    tables = run(config)
    users = {name: rows.reset_index(drop=True) for name, rows in tables["users"].groupby("strategy")}
    curves = tables["curves"].set_index(["strategy", "user_id", "step"]).loss
    assert (users[ruined].start_loss > users["scratch"].start_loss).all()
    assert (users["careful"].chosen == "").all()
    assert (users["careful"].bytes_down == users[ruined].bytes_down).all()
    assert (users["careful"].selection_flops > 0).all()
    careful = curves["careful"]
    np.testing.assert_allclose(careful, curves["scratch"].loc[careful.index], atol=1e-5)  # until the target
    assert (users["sure"].chosen == users["oracle"].chosen).all()  # their own texts, on which it was trained
    assert (users["sure"].selection_flops > users["careful"].selection_flops).all()
