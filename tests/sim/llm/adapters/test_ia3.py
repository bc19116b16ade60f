"""(IA)3 is that of PEFT on every family of LLMs: which layers it scales, on which side, and under which names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from devices import llm
from devices.architecture import llm_names
from sim.llm.adapters.base import Site
from sim.llm.adapters.ia3 import Ia3, Ia3Layout
from sim.llm.lanes import Lanes

SMALL = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
TOKENS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
FAMILIES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "llama": ("Llama", {"intermediate_size": 24, "attention_bias": True, "mlp_bias": True}, {"down_proj"}),
    "opt": ("OPT", {"ffn_dim": 24, "word_embed_proj_dim": 16, "dropout": 0.0}, {"fc2"}),
    "neox": ("GPTNeoX", {"intermediate_size": 24}, {"dense_4h_to_h"}),
    "phi": ("Phi", {"intermediate_size": 24}, {"fc2"}),
    "bigcode": ("GPTBigCode", {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_inner": 24}, {"mlp.c_proj"}),
}


def tiny(family: str) -> nn.Module:
    import transformers

    name, more, _ = FAMILIES[family]
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**SMALL, **TOKENS, **more)
    model = getattr(transformers, f"{name}ForCausalLM")(config).eval().requires_grad_(False)
    for key, parameter in model.named_parameters():  # biases begin as zeros, which any factor leaves
        if key.endswith("bias"):
            nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_folder_gives_the_same_logits_in_plain_peft(family: str, tmp_path: Path) -> None:
    from peft import PeftModel

    model, ids = tiny(family), torch.arange(20)[None]
    model.save_pretrained(tmp_path / "base")  # type: ignore[operator]
    layout = Ia3().on(model)
    flat = 1 + 0.3 * torch.randn(layout.size, generator=torch.Generator().manual_seed(1))
    layout.save(tmp_path / "a", flat, str(tmp_path / "base"))
    plain = model(input_ids=ids).logits
    with torch.no_grad(), Lanes(model, layout).serving(flat[None]):
        ours = model(input_ids=ids).logits
    theirs = PeftModel.from_pretrained(type(model).from_pretrained(tmp_path / "base"), tmp_path / "a")  # type: ignore[attr-defined]
    torch.testing.assert_close(ours, theirs(input_ids=ids).logits, atol=1e-5, rtol=1e-5)
    assert (ours - plain).abs().max() > 1e-2
    torch.testing.assert_close(layout.load(tmp_path / "a"), flat)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_leaves_the_mlp_is_scaled_where_it_enters(family: str) -> None:
    layout = Ia3().on(tiny(family))
    assert set(layout.config()["feedforward_modules"]) == FAMILIES[family][2]
    assert len(layout.feedforward) == SMALL["num_hidden_layers"]
    for site in layout.sites:
        (shape,) = layout.shapes(site).values()
        assert shape == ((1, 24) if site in layout.feedforward else (site.outputs, 1))


@pytest.mark.parametrize("name", llm_names())
def test_the_cost_model_means_the_same_layers(name: str) -> None:
    sites = {m: Site(f"model.layers.0.x.{m.name}", m.inputs, m.outputs) for m in llm(name).matrices}
    layout = Ia3Layout(tuple(sites.values()))
    assert [m.name for m, site in sites.items() if site in layout.feedforward] == [
        m.name for m in sites if m.stage == 3
    ]


def test_every_adapter_begins_as_one_that_changes_nothing() -> None:
    layout = Ia3().on(tiny("llama"))
    assert torch.equal(layout.fresh(np.random.default_rng(0)), layout.neutral())
