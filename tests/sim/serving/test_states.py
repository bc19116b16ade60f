"""States: means over a text's own tokens after some layers, and the bill of a phone that stops there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from devices import Device, flops
from sim.experiment.config import Config
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.llm.infer import output_rows, states
from sim.llm.model import LanguageModel
from sim.serving.requests import handlers
from strategies.base import States

STRINGS = ["a cat and a dog", "yes", "", "the longest of all of these texts by far"]


@pytest.fixture(scope="module")
def lm(tiny_llm: Path) -> LanguageModel:
    return LanguageModel(tiny_llm)


def test_a_state_is_the_mean_over_the_text_s_own_tokens(lm: LanguageModel) -> None:
    last = lm.config.num_hidden_layers
    for layers in (1, last):
        found, tokens = states(lm, STRINGS, layers)
        assert tokens == [len(ids) for ids in lm.ids(STRINGS)]
        for string, row in zip(STRINGS, found, strict=True):
            ids = lm.ids([string])[0]
            if not ids:
                assert (row == 0).all()
                continue
            with torch.no_grad():
                alone = lm.layers(torch.tensor([ids]))[layers][0].mean(dim=0)
            np.testing.assert_allclose(row, alone, atol=1e-5)
    with torch.no_grad():
        ids = torch.tensor([lm.ids(STRINGS[:1])[0]])
        torch.testing.assert_close(lm.layers(ids)[last], lm.hidden(ids))


def test_layers_that_nobody_reads_are_not_run_and_change_nothing(tmp_path: Path, tiny_llm: Path) -> None:
    """To the last bit: offers that are shipped were made with all layers."""
    from transformers import AutoTokenizer, LlamaForCausalLM

    config = LlamaForCausalLM.from_pretrained(tiny_llm).config
    config.num_hidden_layers = 5
    torch.manual_seed(9000)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_llm).save_pretrained(tmp_path)
    lm = LanguageModel(tmp_path)
    with torch.no_grad():
        ids = torch.tensor([lm.ids(STRINGS[3:])[0]])
        whole = lm.layers(ids)
        for most in range(1, 6):
            cut = lm.layers(ids, most)
            assert len(cut) == min(most + 2, 6)
            assert torch.equal(cut[most], whole[most])
        assert len(lm.layers(ids)) == 6


def test_long_strings_are_cut_at_their_ends(lm: LanguageModel) -> None:
    long = "one two three four five six seven eight nine ten"
    ids = lm.ids([long])[0]
    (short, read), (cut, as_much) = states(lm, [lm.decode(ids[:4])], 1, 4), states(lm, [long], 1, 4)
    assert read == as_much == [4]
    np.testing.assert_allclose(short, cut, atol=1e-5)


@pytest.mark.parametrize(
    ("depth", "of", "layers"), [(0.25, 4, 1), (0.25, 30, 8), (1.0, 32, 32), (0.01, 4, 1), (0.5, 5, 3)]
)
def test_a_depth_is_a_number_of_layers(depth: float, of: int, layers: int) -> None:
    assert States([], depth=depth).layers(of) == layers


@pytest.mark.parametrize("depth", [0.0, -1.0, 1.5])
def test_a_depth_is_a_share(depth: float) -> None:
    with pytest.raises(ValueError, match=f"depth = {depth}"):
        States([], depth=depth)


def test_who_stops_at_a_quarter_pays_for_a_quarter() -> None:
    """By hand: an LLM of 8 layers instead of 32, no output head; each phone by its own depth."""
    terms, phones = Terms.of(Config.load(None, ["billing.tokens_per_text=0"]), 50.0), Device.of(["oneplus-12"] * 2)
    llm = terms.llms["summarizer"]
    assert llm.layers == 32
    tokens = np.array([400.0, 400.0])
    n = Figures(sequences=np.array([10.0, 10.0]), tokens=tokens, deep_tokens=tokens * [0.25, 1.0])
    (cost,) = handlers()["States"].cost(terms, phones, "summarizer", n)
    quarter = flops.forward(replace(llm, layers=8), 400.0, 40.0, 0.0)
    np.testing.assert_allclose(cost.flops, [quarter, 4 * quarter])
    np.testing.assert_allclose(
        quarter, 8 * (2 * llm.layer_parameters * 400 + 4 * 400 * 20.5 * llm.heads * llm.head_dim)
    )
    assert cost.memory_bytes[0] < 0.5 * cost.memory_bytes[1]
    (measured,) = handlers()["States"].flops(terms, "summarizer", llm, n)
    np.testing.assert_allclose(measured, [quarter, 4 * quarter])


def test_what_is_expected_is_what_is_counted() -> None:
    terms = Terms.of(Config.load(None), 50.0)
    expected = handlers()["States"].expect(States(["a", "b"], "base", 0.5), terms, lambda text: 10.0)
    assert expected == {"base": {"sequences": 2, "tokens": 20.0, "deep_tokens": 10.0}}


def test_a_word_that_is_one_token_in_a_sentence_can_have_that_one_s_row(lm: LanguageModel) -> None:
    words = sorted({str(lm.tokenizer.decode([i])).strip() for i in range(len(lm.tokenizer)) if " " in lm.decode([i])})
    words += ["friendly", "objective"]
    for word, row in zip(words, output_rows(lm, words, whole=True), strict=True):
        inside, (reply,) = lm.ids([" " + word])[0], output_rows(lm, [word])
        expected = lm.head.weight[inside[0]].detach().numpy() if len(inside) == 1 else reply  # type: ignore[index]
        np.testing.assert_array_equal(row, expected)


def test_a_row_of_the_output_layer_gives_the_logit_of_a_word(lm: LanguageModel) -> None:
    word = "cat"
    (row,) = output_rows(lm, [word])
    token = lm.ids([f" {word}"])[0][0]
    with torch.no_grad():
        hidden = lm.hidden(torch.tensor([[1, 2, 3]]))[0, -1]
        assert float(lm.logits(hidden)[token]) == pytest.approx(float(hidden.numpy() @ row), rel=1e-4, abs=1e-5)
