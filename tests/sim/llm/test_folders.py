"""A folder that is no whole LLM is refused in one line that names it, whatever is wrong, before any work."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sim.cloud.check import prepare
from sim.common.errors import UserError
from sim.llm.folders import INDEX, WEIGHTS, check_folder, load_model
from sim.llm.model import LanguageModel
from tests.runs import tiny_config


@pytest.fixture
def folder(tiny_llm: Path, tmp_path: Path) -> Path:
    """A copy of the tiny LLM, to be spoilt."""
    return Path(shutil.copytree(tiny_llm, tmp_path / "llm"))


def refused(folder: Path, said: str, check: Callable[[Path], object] = LanguageModel) -> None:
    with pytest.raises(UserError, match=said) as error:
        check(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def edit(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def change(folder: Path, of: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / WEIGHTS)
    of(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def shard(folder: Path) -> None:
    """Split the weights in two files and an index."""
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(tensors)
    where = {name: f"model-0000{1 + (at > 3)}-of-00002.safetensors" for at, name in enumerate(names)}
    for file in set(where.values()):
        save_file({n: tensors[n] for n in names if where[n] == file}, folder / file, metadata={"format": "pt"})
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": where}))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (WEIGHTS, b"\xff" * 8, "cannot load"),
        (WEIGHTS, b"x" * 100, "cannot load"),
        (WEIGHTS, b"", "cannot load"),
        (WEIGHTS, pickle.dumps({"a": 1}), "cannot load"),
        (WEIGHTS, None, "model.safetensors is missing .*never from pickles"),
        ("config.json", b"[]", "config.json is not JSON of one object"),
        ("config.json", b"", "config.json is not JSON"),
        ("config.json", b'{"model_type": "llama", "model_type": "gpt2"}', "'model_type' is there twice"),
        ("config.json", None, "cannot load"),
        ("tokenizer.json", b"{}", "cannot load"),
        ("tokenizer.json", b"\xff", "cannot load"),
        ("tokenizer_config.json", b"[", "cannot load"),
        ("chat_template.jinja", b"{% if %}", "chat template .* cannot be used: TemplateSyntaxError"),
        ("chat_template.jinja", b"\xff", "cannot load"),
    ],
)
def test_broken_files_are_found_before_the_weights_are_loaded(
    folder: Path, name: str, content: bytes | None, said: str
) -> None:
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    for check in (LanguageModel, check_folder):
        refused(folder, said, check)


def test_weights_in_pieces_are_read_and_a_missing_piece_is_named(folder: Path) -> None:
    whole = LanguageModel(folder)
    shard(folder)
    parts = LanguageModel(folder)
    assert all(map(torch.equal, whole.model.parameters(), parts.model.parameters()))
    (folder / "model-00002-of-00002.safetensors").unlink()
    refused(folder, "model-00002-of-00002.safetensors is missing", check_folder)


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {"a": "../x"}}, {"weight_map": {"a": 1}}])
def test_an_index_that_is_none_is_refused(folder: Path, index: dict[str, Any]) -> None:
    shard(folder)
    (folder / INDEX).write_text(json.dumps(index))
    refused(folder, "cannot load", check_folder)


LAYER = "model.layers.1.mlp.up_proj.weight"


def test_weights_are_those_of_the_config_all_of_them_and_finite(folder: Path) -> None:
    """transformers would make up what is missing, and drop what is too much."""
    change(folder, lambda tensors: tensors.update({LAYER: torch.full((48, 32), float("nan"))}))
    refused(folder, f"weights are broken: {LAYER} holds numbers that are not finite")
    change(folder, lambda tensors: tensors.pop(LAYER))
    refused(folder, f"files lack weights that its config.json asks for: {LAYER}")
    change(folder, lambda tensors: tensors.update({LAYER: torch.zeros(40, 32)}))
    refused(folder, "cannot load")
    change(folder, lambda tensors: tensors.update({LAYER: torch.zeros(48, 32)}))
    LanguageModel(folder)
    edit(folder / "config.json", num_hidden_layers=1)
    refused(folder, "files hold weights that its config.json has no place for: .*layers.1.* and 8 more")


@pytest.mark.parametrize(
    "entries",
    [{"num_attention_heads": 0}, {"hidden_size": "32"}, {"vocab_size": -1}, {"num_attention_heads": 5},
     {"model_type": "none"}, {"num_hidden_layers": 2.5}, {"rope_parameters": 3}, {"hidden_act": "none"},
     {"layer_types": [1]}],
)  # fmt: skip
def test_a_config_that_makes_no_llm_is_one_line(folder: Path, entries: dict[str, Any]) -> None:
    edit(folder / "config.json", **entries)
    refused(folder, "cannot load")


def test_the_tokenizer_has_no_token_that_the_llm_does_not_know(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<persona_a>"])
    tokenizer.save_pretrained(folder)
    refused(folder, "tokenizer .* has 310 tokens, as '<persona_a>', 309, and its LLM embeddings for 309; resize")


def test_code_of_a_model_folder_is_never_run(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass C: pass\n")
    edit(folder / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.C"})
    edit(folder / "tokenizer_config.json", tokenizer_class="Evil", auto_map={"AutoTokenizer": ["evil.C", "evil.C"]})
    refused(folder, "cannot load")
    refused(folder, "cannot load", lambda path: load_model(str(path)))
    assert not ran.exists()


def test_a_model_that_reads_backwards_is_none_to_write_with(folder: Path) -> None:
    from transformers import BertConfig, BertLMHeadModel

    sizes = {"vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    for file in (WEIGHTS, "config.json", "generation_config.json"):
        (folder / file).unlink()
    torch.manual_seed(0)
    BertLMHeadModel(BertConfig(**sizes, intermediate_size=48, is_decoder=True)).save_pretrained(folder)
    edit(folder / "config.json", is_decoder=False)
    refused(folder, "no causal LM: it reads a text's end before its beginning")


def test_both_llms_of_a_config_are_checked_before_anything_is_built(
    folder: Path, tiny_llm: Path, tmp_path: Path
) -> None:
    (folder / WEIGHTS).write_bytes(b"cut")
    for key in ("llm.model", "llm.summarizer"):
        refused(folder, "cannot load", lambda path, key=key: prepare(tiny_config(tiny_llm, tmp_path, f"{key}={path}")))
