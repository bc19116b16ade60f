"""The FLOP formulas against torch's own counter, on tiny random LLMs of every supported family."""

import os
from dataclasses import replace

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pytest
import torch
import transformers
from peft import IA3Config, LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode

from devices import Ia3, Llm, Lora, flops

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


def square(config):
    """The shape of a config whose attention is counted as the counter counts it, also what a causal mask hides."""
    return replace(Llm.from_config(config.to_dict()), causal=False)


def counted(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_and_forward(name):
    model, shape = build(CONFIGS[name]), square(CONFIGS[name])
    assert shape.parameters == sum(p.numel() for p in set(model.parameters()))
    ids = torch.randint(0, 320, (BATCH, LENGTH))
    expected = counted(lambda: model(ids))
    assert flops.forward(shape, BATCH * LENGTH, LENGTH) == pytest.approx(expected, rel=0.02)
    last_only = counted(lambda: model(ids, logits_to_keep=1))
    assert flops.forward(shape, BATCH * LENGTH, LENGTH, BATCH) == pytest.approx(last_only, rel=0.02)


def test_an_encoder_has_no_head():
    config = transformers.BertConfig(vocab_size=320, hidden_size=64, num_hidden_layers=3, num_attention_heads=4,
                                     intermediate_size=160, max_position_embeddings=64)  # fmt: skip
    model, shape = transformers.BertModel(config).eval(), Llm.from_config(config.to_dict())
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    ids = torch.randint(0, 320, (BATCH, LENGTH))
    model.set_attn_implementation("eager")
    pooled = BATCH * 2 * 64 * 64  # by the pooler, which sentence encoders do not use
    assert flops.forward(shape, BATCH * LENGTH, LENGTH) == counted(lambda: model(ids)) - pooled


@pytest.mark.parametrize("targets", [None, "all-linear", "first", "last"])
@pytest.mark.parametrize("name", CONFIGS)
def test_lora_step(name, targets):
    config = CONFIGS[name]
    shape = square(config)
    names = [m.name for m in shape.matrices]
    lora = Lora(RANK, {"first": names[:1], "last": names[-1:]}.get(targets, targets))
    peft_names = "all-linear" if targets == "all-linear" else [m.name for m in lora.matrices(shape)]
    settings = LoraConfig(r=RANK, target_modules=peft_names, fan_in_fan_out=config.model_type == "gpt2")
    model = get_peft_model(build(config), settings)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == lora.parameters(shape)
    ids = torch.randint(0, 320, (BATCH, LENGTH))
    expected = counted(lambda: model(ids, labels=ids).loss.backward())
    assert lora.step_flops(shape, BATCH * LENGTH, LENGTH) == pytest.approx(expected, rel=0.02)


EACH_ALONE = [(name, m.name) for name, c in CONFIGS.items() for m in Llm.from_config(c.to_dict()).matrices]


@pytest.mark.parametrize(
    ("name", "targets"), [*((name, targets) for name in CONFIGS for targets in (None, "all-linear")), *EACH_ALONE]
)
def test_ia3_step(name, targets):
    """Exactly: element-wise work, which is all that (IA)3 adds to a forward pass, is counted by neither."""
    config = CONFIGS[name]
    shape, ia3 = square(config), Ia3(targets)
    carried = ia3.matrices(shape)
    settings = IA3Config(
        target_modules=[m.name for m in carried],
        feedforward_modules=[m.name for m in carried if m.leaves_mlp],
        fan_in_fan_out=config.model_type == "gpt2",
    )
    model = get_peft_model(build(config), settings)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == ia3.parameters(shape)
    ids = torch.randint(0, 320, (BATCH, LENGTH))
    expected = counted(lambda: model(ids, labels=ids).loss.backward())
    assert ia3.step_flops(shape, BATCH * LENGTH, LENGTH) == expected


def test_ia3_takes_by_default_what_peft_takes_for_llama():
    shape = Llm.from_config(CONFIGS["llama"].to_dict())
    model = get_peft_model(build(CONFIGS["llama"]), IA3Config())
    taken = model.peft_config["default"]
    assert {m.name for m in Ia3().matrices(shape)} == taken.target_modules
    assert {m.name for m in Ia3().matrices(shape) if m.leaves_mlp} == taken.feedforward_modules


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
def test_full_step(name):
    model, shape = build(CONFIGS[name]), square(CONFIGS[name])
    ids = torch.randint(0, 320, (BATCH, LENGTH))
    expected = counted(lambda: model(ids, labels=ids).loss.backward())
    assert flops.full_step(shape, BATCH * LENGTH, LENGTH) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_causal_attention_is_what_decoding_token_by_token_adds_up_to(name):
    shape = Llm.from_config(CONFIGS[name].to_dict())
    assert flops.forward(shape, 64) == pytest.approx(flops.decode(shape, 64))
    whole, half = flops.attention(square(CONFIGS[name]), 64, 32), flops.attention(shape, 64, 32)
    assert half / whole == pytest.approx(33 / 64)


def test_arrays_and_numbers_agree():
    shape = Llm.from_config(CONFIGS["llama"].to_dict())
    tokens = np.array([8, 64, 200])
    for adapter in (Lora(), Ia3()):
        assert np.allclose(adapter.step_flops(shape, tokens), [adapter.step_flops(shape, t) for t in tokens])
    assert np.allclose(flops.forward(shape, tokens), [flops.forward(shape, t) for t in tokens])


def test_checkpointing_costs_one_more_forward_of_the_layers():
    shape = Llm.from_config(CONFIGS["llama"].to_dict())
    for adapter, own in ((Lora(), 2 * 64 * Lora().parameters(shape)), (Ia3(), 0)):
        more = adapter.step_flops(shape, 64, checkpointing=True) - adapter.step_flops(shape, 64)
        assert more == pytest.approx(flops.forward(shape, 64, logits=0) + own)


def test_an_adapter_of_nothing_is_refused():
    shape = Llm.from_config(CONFIGS["llama"].to_dict())
    for adapter in (Lora(0), Lora(8, []), Ia3([])):
        with pytest.raises(ValueError, match="at least one target matrix"):
            adapter.step_flops(shape, 64)
