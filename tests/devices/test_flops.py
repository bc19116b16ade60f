"""The FLOP formulas against torch's own counter, on tiny random LLMs of every supported family."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode

from devices import Llm

LIKE_LLAMA = {
    "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 160,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
NEOX = {k: v for k, v in LIKE_LLAMA.items() if k != "num_key_value_heads"}
CONFIGS = {
    "llama": transformers.LlamaConfig(**LIKE_LLAMA, tie_word_embeddings=True),
    "llama-biased": transformers.LlamaConfig(**LIKE_LLAMA, attention_bias=True, mlp_bias=True),
    "mistral": transformers.MistralConfig(**LIKE_LLAMA),
    "qwen2": transformers.Qwen2Config(**LIKE_LLAMA, tie_word_embeddings=False),
    "qwen3": transformers.Qwen3Config(**LIKE_LLAMA, head_dim=32),
    "gemma": transformers.GemmaConfig(**LIKE_LLAMA, head_dim=16),
    "gemma3": transformers.Gemma3TextConfig(**LIKE_LLAMA, head_dim=32),
    "phi3": transformers.Phi3Config(**LIKE_LLAMA),
    "gpt2": transformers.GPT2Config(vocab_size=320, n_embd=64, n_layer=2, n_head=4, n_positions=128,
                                    bos_token_id=1, eos_token_id=2),
    "gpt_neox": transformers.GPTNeoXConfig(**NEOX),
    "opt": transformers.OPTConfig(vocab_size=320, hidden_size=64, word_embed_proj_dim=64, num_hidden_layers=3,
                                  num_attention_heads=4, ffn_dim=160, max_position_embeddings=64, dropout=0.0),
    "phi": transformers.PhiConfig(**LIKE_LLAMA),
    "gpt_neox-sequential": transformers.GPTNeoXConfig(**NEOX, use_parallel_residual=False),
}  # fmt: skip
BATCH, LENGTH, RANK = 2, 32, 4


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def build(config):
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")


def counted(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_and_forward(name):
    model, shape = build(CONFIGS[name]), Llm.from_config(CONFIGS[name].to_dict())
    assert shape.parameters == sum(p.numel() for p in set(model.parameters()))
    ids = torch.randint(0, 320, (BATCH, LENGTH))
    expected = counted(lambda: model(ids))
    assert shape.forward_flops(BATCH * LENGTH, LENGTH) == pytest.approx(expected, rel=0.02)
    last_only = counted(lambda: model(ids, logits_to_keep=1))
    assert shape.forward_flops(BATCH * LENGTH, LENGTH, BATCH) == pytest.approx(last_only, rel=0.02)


@pytest.mark.parametrize("targets", [None, "all-linear", "first", "last"])
@pytest.mark.parametrize("name", CONFIGS)
def test_lora_step(name, targets):
    config = CONFIGS[name]
    shape = Llm.from_config(config.to_dict())
    names = [m.name for m in shape.matrices]
    chosen = {"first": names[:1], "last": names[-1:]}.get(targets, targets)
    peft_names = "all-linear" if targets == "all-linear" else [m.name for m in shape.targets(chosen)]
    settings = LoraConfig(r=RANK, target_modules=peft_names, fan_in_fan_out=config.model_type == "gpt2")
    model = get_peft_model(build(config), settings)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == shape.adapter_parameters(RANK, chosen)
    ids = torch.randint(0, 320, (BATCH, LENGTH))
    expected = counted(lambda: model(ids, labels=ids).loss.backward())
    assert shape.lora_step_flops(BATCH * LENGTH, RANK, chosen, LENGTH) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
def test_full_step(name):
    model, shape = build(CONFIGS[name]), Llm.from_config(CONFIGS[name].to_dict())
    ids = torch.randint(0, 320, (BATCH, LENGTH))
    expected = counted(lambda: model(ids, labels=ids).loss.backward())
    assert shape.full_step_flops(BATCH * LENGTH, LENGTH) == pytest.approx(expected, rel=0.02)


def test_arrays_and_numbers_agree():
    shape = Llm.from_config(CONFIGS["llama"].to_dict())
    tokens = np.array([8, 64, 200])
    assert np.allclose(shape.lora_step_flops(tokens, 8), [shape.lora_step_flops(t, 8) for t in tokens])
    assert np.allclose(shape.forward_flops(tokens), [shape.forward_flops(t) for t in tokens])


def test_checkpointing_costs_one_more_forward_of_the_layers():
    shape = Llm.from_config(CONFIGS["llama"].to_dict())
    more = shape.lora_step_flops(64, 8, checkpointing=True) - shape.lora_step_flops(64, 8)
    assert more == pytest.approx(shape.forward_flops(64, logits=0) + 2 * 64 * shape.adapter_parameters(8))
