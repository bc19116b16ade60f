"""Shapes of LLMs: the shipped ones count to the published sizes; configs are read, or refused in one line."""

import json

import pytest

from devices import Llm, UnknownName, llm, llm_names

PUBLISHED_BILLIONS = {
    "llama-3.2-1b": 1.236, "llama-3.1-8b": 8.03, "qwen2-0.5b": 0.494, "qwen2.5-1.5b": 1.543,
    "qwen3-0.6b": 0.596, "qwen3-1.7b": 1.72, "qwen3-4b": 4.02, "qwen3-8b": 8.19,
    "gemma-3-1b": 1.0, "smollm-360m": 0.362, "smollm2-135m": 0.1345, "smollm2-1.7b": 1.711,
    "smollm3-3b": 3.075, "phi-4-mini": 3.84, "gpt2": 0.1244,
}  # fmt: skip


def test_every_shipped_shape_has_its_published_size():
    assert set(llm_names()) == set(PUBLISHED_BILLIONS)
    for name, billions in PUBLISHED_BILLIONS.items():
        assert llm(name).parameters / 1e9 == pytest.approx(billions, rel=0.005), name


@pytest.mark.parametrize("name", ["meta-llama/Llama-3.2-1B-Instruct", "LLAMA-3.2-1b"])
def test_names_ignore_publisher_case_and_variant(name):
    assert llm(name) == llm("llama-3.2-1b")


def test_config_from_file_and_folder(tmp_path):
    config = {
        "model_type": "gpt2",
        "vocab_size": 100,
        "n_embd": 8,
        "n_layer": 1,
        "n_head": 2,
        "n_positions": 16,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert llm(tmp_path) == llm(tmp_path / "config.json")
    assert llm(tmp_path).name == tmp_path.name


def test_errors_are_one_clear_line(tmp_path):
    with pytest.raises(UnknownName, match=r"unknown LLM 'lama-3\.2-1b'; nearest: llama-3\.2-1b"):
        llm("lama-3.2-1b")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        llm(tmp_path)
    with pytest.raises(ValueError, match="'bert' is not supported"):
        Llm.from_config({"model_type": "bert"})
    with pytest.raises(ValueError, match="lacks 'hidden_size'"):
        Llm.from_config({"model_type": "llama"})
    with pytest.raises(ValueError, match="mixtures of experts"):
        Llm.from_config({"model_type": "mistral", "num_local_experts": 8})
    with pytest.raises(ValueError, match="no matrix 'c_attn'"):
        llm("llama-3.2-1b").targets("c_attn")
    with pytest.raises(UnknownName, match="precision"):
        llm("llama-3.2-1b").weight_bytes("int7")


def test_sizes():
    one_b = llm("llama-3.2-1b")
    assert one_b.weight_bytes("fp16") == 2 * one_b.parameters
    assert one_b.weight_bytes("int4") < one_b.weight_bytes("int8") < one_b.weight_bytes("bf16")
    # rank 8 on q (2048 to 2048) and v (2048 to 512) of 16 layers
    assert one_b.adapter_parameters(8) == 16 * 8 * (2048 + 2048 + 2048 + 512)
    assert one_b.adapter_bytes(8) == 4 * one_b.adapter_parameters(8)


@pytest.mark.parametrize("parameters", [1.25e8, 1e9, 7e9, 1.3e10])
def test_shape_of_a_given_size(parameters):
    assert Llm.of_size(parameters).parameters == pytest.approx(parameters, rel=0.05)
