"""An adapter's files say much that plain adapters do not do: it is refused by name, and never read over."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import IA3Config, LoraConfig
from safetensors.torch import load_file, save_file

from sim.common.errors import UserError
from sim.llm.adapters.base import Layout, Site
from sim.llm.adapters.files import CONFIG, WEIGHTS
from sim.llm.adapters.ia3 import Ia3Layout
from sim.llm.adapters.lora import LoraLayout

SITES = (Site("layers.0.q_proj", 24, 40), Site("layers.0.down_proj", 40, 24))
LAYOUTS: dict[str, Layout] = {"lora": LoraLayout(SITES, rank=4, alpha=8.0), "ia3": Ia3Layout(SITES)}
FIRST = {"lora": "base_model.model.layers.0.q_proj.lora_A.weight", "ia3": "base_model.model.layers.0.q_proj.ia3_l"}


@pytest.fixture(params=LAYOUTS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def saved(folder: Path, layout: Layout, **entries: Any) -> Path:
    """A good adapter's folder, but for these entries of its config."""
    layout.save(folder, torch.linspace(-1, 1, layout.size), "base")
    path = folder / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    return folder


# ---------------------------------------------------------------- entries of the config


@pytest.mark.parametrize(
    "entries",
    [
        {"use_rslora": True}, {"use_dora": True}, {"bias": "all"}, {"bias": "lora_only"}, {"lora_bias": True},
        {"rank_pattern": {"q_proj": 8}}, {"alpha_pattern": {"q_proj": 1}}, {"modules_to_save": ["lm_head"]},
        {"layers_to_transform": [0]}, {"layers_pattern": "layers"}, {"exclude_modules": ["v_proj"]},
        {"fan_in_fan_out": True}, {"trainable_token_indices": [1]}, {"target_parameters": ["w"]},
        {"use_qalora": True}, {"megatron_config": {"a": 1}}, {"alora_invocation_tokens": [3]},
        {"layer_replication": [[0, 1]]}, {"init_lora_weights": "pissa"}, {"init_lora_weights": "pissa_niter_4"},
        {"init_lora_weights": "olora"}, {"init_lora_weights": "loftq"}, {"init_lora_weights": "corda"},
        {"init_lora_weights": "eva"}, {"init_lora_weights": ["gaussian"]}, {"task_type": "SEQ_CLS"},
        {"some_switch_of_the_future": True}, {"some_scale_of_the_future": 0.5}, {"line\nbreak": "x"},
    ],
    ids=lambda entries: "-".join(map(str, next(iter(entries.items()))))
)  # fmt: skip
def test_what_is_not_done_is_refused_by_name(tmp_path: Path, kind: str, entries: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"in its adapter_config\.json, which is not done here; allowed: ") as refused:
        LAYOUTS[kind].load(saved(tmp_path, LAYOUTS[kind], **entries))
    said = str(refused.value)
    assert str(tmp_path) in said
    assert json.dumps(next(iter(entries)))[1:-1] in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "entries",
    [
        {"eva_config": None, "corda_config": None, "lora_bias": False, "qalora_group_size": 16, "future": None},
        {"peft_version": "99.0", "revision": "main", "lora_dropout": 0.05, "inference_mode": False, "future": {}},
        {"init_lora_weights": "gaussian", "bias": "none", "task_type": "CAUSAL_LM", "auto_mapping": None},
        {"target_modules": ".*_proj", "base_model_name_or_path": None},
        {"target_modules": ["0.q_proj", "down_proj", "another"]},
    ],
)
def test_what_says_nothing_is_read_over(tmp_path: Path, kind: str, entries: dict[str, Any]) -> None:
    layout = LAYOUTS[kind]
    assert torch.equal(layout.load(saved(tmp_path, layout, **entries)), torch.linspace(-1, 1, layout.size))


@pytest.mark.parametrize(("kind", "config"), [("lora", LoraConfig(r=4, lora_alpha=8)), ("ia3", IA3Config())])
def test_defaults_of_the_installed_peft_say_nothing(tmp_path: Path, kind: str, config: Any) -> None:
    """Among them entries that came after these lines were written."""
    layout = LAYOUTS[kind]
    own = {k: v for k, v in json.loads(json.dumps(config.to_dict(), default=str)).items() if k != "feedforward_modules"}
    assert len(own) > 10
    layout.load(saved(tmp_path, layout, **own))


@pytest.mark.parametrize(
    ("kind", "entries", "said"),
    [
        ("lora", {"target_modules": ["q_proj"]}, "has no layers.0.down_proj among its target_modules"),
        ("ia3", {"target_modules": ["down_proj"]}, "has no layers.0.q_proj among its target_modules"),
        ("ia3", {"feedforward_modules": ["q_proj"]}, r'has feedforward_modules = \["q_proj"\]'),
        ("lora", {"target_modules": 5}, "target_modules is 5; a list of names or a pattern is expected"),
        ("lora", {"target_modules": [None]}, "a list of names or a pattern is expected"),
        ("lora", {"r": True}, "r is true; a whole number above 0 is expected"),
        ("lora", {"r": 4.0}, r"r is 4\.0; a whole number above 0 is expected"),
        ("lora", {"r": 0}, "r is 0; a whole number above 0"),
        ("lora", {"r": 10**40}, "a whole number above 0"),
        ("lora", {"lora_alpha": "8"}, "lora_alpha is 8; a number above 0"),
        ("lora", {"lora_alpha": -8}, "lora_alpha is -8; a number above 0"),
        ("lora", {"lora_alpha": float("nan")}, "adapter_config.json is broken .*NaN is no number"),
        ("lora", {"lora_alpha": float("inf")}, "adapter_config.json is broken .*Infinity is no number"),
        ("lora", {"peft_type": "ADALORA"}, "is that of a ADALORA adapter; training.adapter expects LORA"),
        ("ia3", {"peft_type": "LORA"}, "is that of a LORA adapter; training.adapter expects IA3"),
        ("ia3", {"peft_type": ["IA3"]}, "peft_type is missing, or no text"),
    ],
)  # fmt: skip
def test_entries_that_are_read_are_held_to_the_layout(
    tmp_path: Path, kind: str, entries: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said) as refused:
        LAYOUTS[kind].load(saved(tmp_path, LAYOUTS[kind], **entries))
    assert str(tmp_path) in str(refused.value)


def test_an_entry_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, LAYOUTS["lora"]) / CONFIG
    path.write_text(path.read_text().replace("{", '{"use_dora": true, "use_dora": false,', 1))
    with pytest.raises(UserError, match="'use_dora' is there twice"):
        LAYOUTS["lora"].load(tmp_path)


# ---------------------------------------------------------------- tensors


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t * float("nan"), "numbers that are not finite"),
        (lambda t: t * float("inf"), "numbers that are not finite"),
        (lambda t: t.double() * 1e300, "numbers that are not finite in 32 bits"),
        (lambda t: t.to(torch.complex64), "holds complex64; floating-point numbers are expected"),
        (lambda t: t.to(torch.int8), "holds int8; floating-point"),
        (lambda t: t > 0, "holds bool; floating-point"),
        (lambda t: t[:1], "has shape"),
        (lambda t: t.sum(), r"has shape \(\)"),
        (lambda t: t[None], "has shape"),
        (lambda t: t[:0], "has shape"),
    ],
)
def test_tensors_are_of_the_shape_real_and_finite(
    tmp_path: Path, kind: str, change: Callable[[torch.Tensor], torch.Tensor], said: str
) -> None:
    tensors = load_file(saved(tmp_path, LAYOUTS[kind]) / WEIGHTS)
    changed = change(torch.ones_like(tensors[FIRST[kind]]))
    save_file({**tensors, FIRST[kind]: changed.contiguous()}, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match=f"{FIRST[kind]} (holds )?{said}"):
        LAYOUTS[kind].load(tmp_path)


@pytest.mark.parametrize(
    "more", ["base_model.model.lm_head.lora_A.weight", "base_model.model.layers.0.q_proj.lora_magnitude_vector"]
)
def test_no_tensor_is_left_out(tmp_path: Path, kind: str, more: str) -> None:
    tensors = load_file(saved(tmp_path, LAYOUTS[kind]) / WEIGHTS)
    save_file({**tensors, more: torch.ones(3)}, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match=f"it also has {more}"):
        LAYOUTS[kind].load(tmp_path)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        lambda path: path.write_bytes(b"\xff" * 64),
        lambda path: path.write_bytes(pickle.dumps({"a": 1})),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: path.write_bytes(b"[" * 100_000),
    ],
    ids=["missing", "empty", "cut", "bytes", "pickle", "folder", "deep"],
)
def test_broken_files_are_named(tmp_path: Path, kind: str, name: str, spoil: Callable[[Path], Any]) -> None:
    spoil(saved(tmp_path, LAYOUTS[kind]) / name)
    with pytest.raises(UserError, match=f"{tmp_path / name} is (broken|missing)") as refused:
        LAYOUTS[kind].load(tmp_path)
    assert "\n" not in str(refused.value)
