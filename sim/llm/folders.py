"""Loads an LLM from its folder or from the hub, and checks all of it before it is used: files, tokenizer, weights.

`transformers` reads leniently: what is missing is made up at random, what is too much is dropped, with a warning that
nobody sees. Here each is one line that names the LLM. No code and no pickle of a model folder is ever run or opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from devices.basics import read_object
from sim.common.errors import UserError
from sim.llm.chat import Template

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"


@contextmanager
def loading(source: str) -> Iterator[None]:
    """What is raised in here, by whatever reads the LLM's files, becomes one line that names the LLM."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # broken files make their readers raise anything
        said = " ".join((str(error) or type(error).__name__).split())[:300]
        raise UserError(f"llm: cannot load {source!r} (a model folder or a hub name): {said}") from error


def check_folder(folder: Path) -> None:
    """Check what can be known of a model folder without loading its weights. Raises UserError."""
    Template.of(load_tokenizer(str(folder)))


def _check_files(folder: Path) -> None:
    with loading(str(folder)):
        read_object(folder / CONFIG)
        for file in _weight_files(folder):
            with safe_open(file, "pt"):  # compares the header with the file's length
                pass


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        names = [WEIGHTS]
    else:
        weight_map = read_object(folder / INDEX)["weight_map"]
        if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
            raise ValueError(f"{INDEX}: weight_map is no table of file names")
        names = sorted(set(weight_map.values()))
    if not names:
        raise ValueError(f"{INDEX} names no file")
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise ValueError(f"{name} is missing (weights are read from safetensors alone, never from pickles)")
    return [folder / name for name in names]


def load_tokenizer(source: str) -> Any:
    """An LLM's tokenizer, after a look at all files of the LLM. Raises UserError."""
    from transformers import AutoTokenizer

    if Path(source).is_dir():
        _check_files(Path(source))
    with loading(source):
        return AutoTokenizer.from_pretrained(source, local_files_only=Path(source).is_dir(), trust_remote_code=False)


def load_model(source: str) -> nn.Module:
    """An LLM in 32 bits, all of whose weights are its files'. Raises UserError."""
    from transformers import AutoModelForCausalLM

    with loading(source):
        model, said = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=torch.float32,
            local_files_only=Path(source).is_dir(),
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
        _check_weights(model, said)
    return model


def _check_weights(model: nn.Module, said: Mapping[str, Any]) -> None:
    """Raise ValueError unless every weight was in the files, every weight of them was used, and all are finite.

    Args:
        said: what `transformers` says of the loading. Old files also hold constants that it works out itself by now
            (masks, frequencies): they end in neither `.weight` nor `.bias`.
    """
    unused = [name for name in said["unexpected_keys"] if name.endswith((".weight", ".bias"))]
    for wrong, what in (
        (said["missing_keys"], "its files lack weights that its config.json asks for"),
        (said["mismatched_keys"], "its files hold weights of other shapes than its config.json asks for"),
        (unused, "its files hold weights that its config.json has no place for"),
    ):
        if names := sorted(map(str, wrong)):
            raise ValueError(f"{what}: {names[0]}" + (f" and {len(names) - 1} more" if names[1:] else ""))
    for name, weight in model.named_parameters():
        if weight.numel() and not all(torch.isfinite(each) for each in weight.aminmax()):
            raise ValueError(f"its weights are broken: {name} holds numbers that are not finite")


def check_vocabulary(tokenizer: Any, model: nn.Module, source: str) -> None:
    """Raise UserError where the tokenizer makes tokens that the LLM has no embedding for."""
    rows = model.get_input_embeddings().num_embeddings  # type: ignore[operator]
    vocabulary = tokenizer.get_vocab()
    beyond = sorted((i, token) for token, i in vocabulary.items() if i >= rows)
    if beyond or not vocabulary:
        first = f", as {beyond[0][1]!r}, {beyond[0][0]}" if beyond else ""
        raise UserError(
            f"llm: the tokenizer of {source!r} has {len(vocabulary)} tokens{first}, and its LLM embeddings for "
            f"{rows}; resize the LLM's embeddings (`resize_token_embeddings`) or remove what was added."
        )
