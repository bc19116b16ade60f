"""Shapes of LLMs: the shipped ones count to the published sizes; configs are read, or refused in one line."""

import dataclasses
import json
from typing import Any

import pytest
import torch

from devices import Ia3, Llm, Lora, UnknownName, llm, llm_names
from devices.architecture import LLMS
from devices.configs import DEFAULTS, SUPPORTED

PUBLISHED_BILLIONS = {
    # model cards and papers; Gemma 3 and Qwen count the embedding once where it is tied
    "llama-2-7b": 6.738, "llama-2-13b": 13.016, "llama-3-8b": 8.03, "llama-3.1-8b": 8.03,
    "llama-3.2-1b": 1.236, "llama-3.2-3b": 3.213, "tinyllama-1.1b": 1.1, "open-llama-3b": 3.426,
    "mistral-7b": 7.242, "redpajama-3b": 2.776,
    "qwen1.5-0.5b": 0.464, "qwen1.5-1.8b": 1.837, "qwen2-0.5b": 0.494, "qwen2-1.5b": 1.544,
    "qwen2.5-0.5b": 0.494, "qwen2.5-1.5b": 1.544, "qwen2.5-3b": 3.086, "qwen2.5-7b": 7.616,
    "qwen3-0.6b": 0.596, "qwen3-1.7b": 1.72, "qwen3-4b": 4.02, "qwen3-8b": 8.19,
    "deepseek-r1-distill-qwen-1.5b": 1.777,
    "gemma-2b": 2.506, "gemma-2-2b": 2.614, "gemma-3-270m": 0.268, "gemma-3-1b": 1.0, "gemma-3-4b": 3.88,
    "phi-1.5": 1.418, "phi-2": 2.78, "phi-3-mini": 3.821, "phi-3.5-mini": 3.821, "phi-4-mini": 3.84,
    "smollm-135m": 0.1345, "smollm-360m": 0.362, "smollm-1.7b": 1.711, "smollm2-135m": 0.1345,
    "smollm2-360m": 0.362, "smollm2-1.7b": 1.711, "smollm3-3b": 3.075,
    "mobilellm-125m": 0.1246, "mobilellm-350m": 0.3453, "mobilellm-600m": 0.6031, "mobilellm-1b": 1.01,
    "opt-125m": 0.1252, "opt-1.3b": 1.316, "opt-2.7b": 2.652,
    "pythia-160m": 0.1623, "pythia-410m": 0.4053, "pythia-1b": 1.0118, "pythia-1.4b": 1.4146, "pythia-2.8b": 2.7752,
    "all-minilm-l6-v2": 0.0227,
    "gpt2": 0.1244, "gpt2-medium": 0.3548, "gpt2-large": 0.774, "gpt2-xl": 1.5576,
}  # fmt: skip


def test_every_shipped_shape_has_its_published_size():
    assert set(llm_names()) == set(PUBLISHED_BILLIONS)
    for name, billions in PUBLISHED_BILLIONS.items():
        assert llm(name).parameters / 1e9 == pytest.approx(billions, rel=0.005), name


@pytest.mark.parametrize(
    ("name", "shipped"),
    [
        ("meta-llama/Llama-3.2-1B-Instruct", "llama-3.2-1b"),
        ("LLAMA-3.2-1b", "llama-3.2-1b"),
        ("Llama 3.2 3B", "llama-3.2-3b"),
        ("llama3.2:1b", "llama-3.2-1b"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "llama-3-8b"),
        ("meta-llama/Llama-2-7b-chat-hf", "llama-2-7b"),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "tinyllama-1.1b"),
        ("mistralai/Mistral-7B-Instruct-v0.2", "mistral-7b"),
        ("google/gemma-2-2b-it", "gemma-2-2b"),
        ("Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b"),
        ("Qwen/Qwen3-4B-Instruct-2507", "qwen3-4b"),
        ("microsoft/Phi-3-mini-4k-instruct", "phi-3-mini"),
        ("openai-community/gpt2", "gpt2"),
        ("facebook/MobileLLM-125M", "mobilellm-125m"),
        ("SmolLM2-135M-Instruct-Q4_K_M", "smollm2-135m"),
        ("gpt-2", "gpt2"),
        ("Qwen/Qwen3-0.6B-Base", "qwen3-0.6b"),
        ("gemma 2 2b", "gemma-2-2b"),
        ("openllama-3b", "open-llama-3b"),
        ("openlm-research/open_llama_3b_v2", "open-llama-3b"),
        ("microsoft/phi-1_5", "phi-1.5"),
        ("togethercomputer/RedPajama-INCITE-Base-3B-v1", "redpajama-3b"),
        ("SmolLM2-135M-Instruct-Q4_0", "smollm2-135m"),
    ],
)
def test_names_ignore_publisher_case_and_variant(name, shipped):
    assert llm(name) == llm(shipped)


@pytest.mark.parametrize(
    "name",
    [
        "gpt2-xxl",
        "phi-2.7b",
        "qwen2.5-14b",
        "llama-3.2-1b-vision",
        "gemma-2-27b-it",
        "llama-27b",
        "gemma-22b",
        "qwen-34b",
        "llama-213b",
        "Llama 38B",
        "llama-3.21b",
        "llama-3.2-11b",
        "qwen2.5-05b",
        "qwen25-0.5b",
        "phi-15",
        "smollm2135m",
        "gpt2.0",
        "llama-3.2",
    ],
)
def test_another_size_is_never_taken_for_one_that_is_shipped(name):
    with pytest.raises(UnknownName, match=f"unknown LLM '{name}'; nearest: "):
        llm(name)


@pytest.mark.parametrize("name", ["banana", "foo/bar-xyz", "totally-unknown"])
def test_nothing_is_called_near_that_is_not(name):
    with pytest.raises(UnknownName, match=f"^unknown LLM '{name}' \\(\\d+ known\\)$"):
        llm(name)


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
    with pytest.raises(ValueError, match=r"no config\.json of an LLM at './gpt2'"):
        llm("./gpt2")  # a folder that is missing, not the shipped one of that name
    with pytest.raises(ValueError, match="'t5' is not supported"):
        Llm.from_config({"model_type": "t5"})
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
    assert Lora(8).parameters(one_b) == 16 * 8 * (2048 + 2048 + 2048 + 512)
    assert Lora(8).bytes(one_b) == 4 * Lora(8).parameters(one_b)
    # (IA)3 on what k and v put out (512 each) and what enters down_proj (8192)
    assert Ia3().parameters(one_b) == 16 * (512 + 512 + 8192)
    assert Ia3().bytes(one_b, "fp16") == 2 * Ia3().parameters(one_b)
    assert Ia3(["down_proj", "o_proj"]).parameters(one_b) == 16 * (8192 + 2048)


@pytest.mark.parametrize("parameters", [1.25e8, 1e9, 7e9, 1.3e10])
def test_shape_of_a_given_size(parameters):
    assert Llm.of_size(parameters).parameters == pytest.approx(parameters, rel=0.05)


# ---------------------------------------------------------------- configs, held to transformers

CONFIGS = {path.stem: json.loads(path.read_text()) for path in LLMS.glob("*.json")}
LLAMA = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 8,
         "num_hidden_layers": 2, "vocab_size": 100}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_embd": 64, "n_head": 8, "n_layer": 2, "vocab_size": 100}
SIZES = sorted({*LLAMA, *GPT2} - {"model_type"})
FAMILIES = [kind for kind in SUPPORTED if kind != "gemma3"]  # which has its language model's sizes in a text_config


def transformers_count(config: dict[str, Any]) -> int:
    """Parameters of the LLM that transformers makes of a config, without their memory; tied ones once."""
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    kind = AutoModel if config["model_type"] == "bert" else AutoModelForCausalLM
    with torch.device("meta"):
        model = kind.from_config(AutoConfig.for_model(**config), trust_remote_code=False)
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("kind", FAMILIES)
def test_what_a_config_leaves_out_is_what_transformers_takes(kind):
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    theirs = {field.name: field.default for field in dataclasses.fields(CONFIG_MAPPING[kind])}
    assert dict(DEFAULTS[kind]) == {key: theirs.get(key) for key in DEFAULTS[kind]}
    sparse = Llm.from_config({"model_type": "llava", "text_config": {"model_type": kind}})
    assert sparse.parameters == transformers_count({"model_type": kind})


@pytest.mark.parametrize("name", ["llama-3.2-1b", "mistral-7b", "qwen2.5-0.5b", "qwen3-0.6b", "smollm3-3b",
                                  "phi-4-mini", "gemma-2b", "gemma-2-2b", "gemma-3-270m", "gpt2-medium", "pythia-160m",
                                  "opt-125m", "phi-1.5", "mobilellm-125m"])  # fmt: skip
def test_sizes_are_those_of_transformers_with_the_options_of_a_config_and_without(name):
    """Of every family one: as shipped, and without each entry that a config may leave out, or with its opposite."""
    config = CONFIGS[name]
    optional = ("num_key_value_heads", "head_dim", "tie_word_embeddings", "attention_bias", "mlp_bias", "enable_bias")
    known = DEFAULTS[config["model_type"]]
    variants = [config] + [{k: v for k, v in config.items() if k != key} for key in optional if key in config]
    variants += [{**config, key: not known[key]} for key in optional if isinstance(known.get(key), bool)]
    for variant in variants:
        heads = variant.get("num_attention_heads", 1)
        if heads % (variant.get("num_key_value_heads", known.get("num_key_value_heads")) or heads):
            continue  # transformers makes an LLM of it that cannot run
        assert Llm.from_config(variant).parameters == pytest.approx(transformers_count(variant), rel=0.005), variant


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_every_shipped_shape_counts_as_in_transformers(name):
    assert llm(name).parameters == pytest.approx(transformers_count(CONFIGS[name]), rel=0.005)


def test_the_sparse_config_of_gemma_3():
    """As in google/gemma-3-4b-it: the language model's config names only what differs from the family's defaults."""
    text = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "model_type": "gemma3_text"}
    shape = Llm.from_config({"model_type": "gemma3", "text_config": text, "vision_config": {"hidden_size": 1152}})
    assert (shape.heads, shape.kv_heads, shape.head_dim, shape.vocab, shape.tied) == (8, 4, 256, 262_208, True)
    assert shape.parameters == transformers_count(text)


@pytest.mark.parametrize("value", [0, -4, 4.5, 64.0, "64", True, [64], {}, 1e30, 10**30, float("nan"), float("inf")])
@pytest.mark.parametrize("key", [*SIZES, "num_key_value_heads", "head_dim", "n_inner", "n_positions"])
def test_sizes_that_no_llm_has_are_refused(key, value):
    config = GPT2 if key.startswith("n_") else LLAMA
    with pytest.raises(ValueError, match=f"{key} is .*; a whole number from 1 to [0-9,]+ is expected"):
        Llm.from_config({**config, key: value})


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"num_attention_heads": 6}, "6 attention heads do not divide the width 64, and no head_dim is given"),
        ({"num_key_value_heads": 16}, "16 key-value heads do not divide 8 attention heads"),
        ({"num_key_value_heads": 3}, "3 key-value heads do not divide 8 attention heads"),
        ({"hidden_size": None}, "hidden_size is null"),
        ({"tie_word_embeddings": "false"}, "tie_word_embeddings is 'false'; true or false is expected"),
        ({"attention_bias": 1}, "attention_bias is 1; true or false is expected"),
        ({"model_type": ["llama"]}, "is not supported; supported: llama"),
    ],
)
def test_a_config_that_makes_no_llm_is_refused_with_its_file(tmp_path, entries, said):
    (tmp_path / "config.json").write_text(json.dumps({**LLAMA, **entries}))
    with pytest.raises(ValueError, match=said) as refused:
        llm(tmp_path)
    assert str(tmp_path / "config.json") in str(refused.value)


@pytest.mark.parametrize("content", ['{"hidden_size": 64, "hidden_size": 32}', '{"a": NaN}', "[1]", "", "[" * 100_000])
def test_a_file_that_is_no_config_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json is not JSON"):
        llm(tmp_path)
