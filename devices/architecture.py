"""The shape of an LLM, which is all that the cost model needs to know of it: matrices, weights, bytes.

An `Llm` is read from the `config.json` that every Hugging Face model has; no weights are needed. Shapes of
common LLMs are in `llms/`. FLOPs are in `flops.py`, memory in `memory.py`, adapters in `adapters.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from devices.basics import Floats, Numbers, UnknownName, floats, read_object
from devices.configs import read_config
from devices.constants import stated

LLMS = Path(__file__).parent / "llms"


@dataclass(frozen=True)
class Matrix:
    """One weight matrix of a decoder layer, named as PEFT's `target_modules` would name it.

    `stage` orders the matrices along a layer: 0 reads the layer's input for attention, 1 is attention's
    output, 2 enters the MLP, 3 leaves it. `feeds` says which of "q", "k", "v" a stage-0 matrix makes.
    """

    name: str
    inputs: int
    outputs: int
    stage: int
    feeds: str = ""

    @property
    def parameters(self) -> int:
        """Weights without bias."""
        return self.inputs * self.outputs

    @property
    def leaves_mlp(self) -> bool:
        """Whether it is the MLP's last matrix ("down_proj" in Llama)."""
        return self.stage == 3


@dataclass(frozen=True)
class Llm:
    """The shape of a decoder-only LLM, or of an encoder. Build it with `llm(name_or_path)` or `Llm.from_config(dict)`.

    `family` names the layout of a layer: "llama" (separate q, k, v and a gated MLP), "phi3" (the same,
    fused), "gpt2" and "neox" (fused q, k, v; plain MLP), "opt" and "phi" (separate q, k, v; plain MLP).
    `parallel` means that attention and MLP read the same input. `small_parameters` counts what is in no
    matrix product: norms, biases, learned positions. `causal`: a token sees only those before it. An encoder
    sees all of them (`causal` is false); it has no output head, so `vocab` is 0 and its embeddings are among
    `small_parameters`.
    """

    name: str
    vocab: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp_width: int
    tied: bool
    family: str = "llama"
    parallel: bool = False
    small_parameters: int = 0
    causal: bool = True

    @classmethod
    def from_config(cls, config: Mapping[str, object], name: str = "") -> Llm:
        """Read a Hugging Face config (as a dict). Raises ValueError for families that are not supported."""
        return cls(name=name or str(config.get("_name_or_path", "")), **read_config(config))

    @classmethod
    def of_size(cls, parameters: float, vocab: int = 32_000, name: str = "") -> Llm:
        """A Llama-like shape with about this many parameters, where only the count is published.

        Width is 128 times the depth, as in Llama-7B and -13B, the MLP 8/3 of the width, the head tied.
        """
        width = 64
        while 12 * width**3 / 128 + vocab * width < parameters:
            width += 16
        layers = max(1, round((parameters - vocab * width) / (12 * width**2)))
        return cls(
            name=name or f"{parameters / 1e9:g}b", vocab=vocab, width=width, layers=layers,
            heads=max(1, width // 64), kv_heads=max(1, width // 64), head_dim=64,
            mlp_width=round(width * 8 / 3), tied=True,
        )  # fmt: skip

    @property
    def gated(self) -> bool:
        """Whether the MLP has a gate: two matrices lead into it."""
        return self.family in ("llama", "phi3")

    @cached_property
    def matrices(self) -> tuple[Matrix, ...]:
        """The weight matrices of one decoder layer."""
        d, q, kv, m = self.width, self.heads * self.head_dim, self.kv_heads * self.head_dim, self.mlp_width
        if self.family == "gpt2":
            rows = [("c_attn", d, q + 2 * kv, 0, "qkv"), ("attn.c_proj", q, d, 1, ""),
                    ("c_fc", d, m, 2, ""), ("mlp.c_proj", m, d, 3, "")]  # fmt: skip
        elif self.family == "neox":
            rows = [("query_key_value", d, q + 2 * kv, 0, "qkv"), ("dense", q, d, 1, ""),
                    ("dense_h_to_4h", d, m, 2, ""), ("dense_4h_to_h", m, d, 3, "")]  # fmt: skip
        elif self.family == "phi3":
            rows = [("qkv_proj", d, q + 2 * kv, 0, "qkv"), ("o_proj", q, d, 1, ""),
                    ("gate_up_proj", d, 2 * m, 2, ""), ("down_proj", m, d, 3, "")]  # fmt: skip
        else:
            rows = [("q_proj", d, q, 0, "q"), ("k_proj", d, kv, 0, "k"), ("v_proj", d, kv, 0, "v")]
            if self.family == "llama":
                rows += [("o_proj", q, d, 1, ""), ("gate_proj", d, m, 2, ""), ("up_proj", d, m, 2, ""),
                         ("down_proj", m, d, 3, "")]  # fmt: skip
            else:
                out = "out_proj" if self.family == "opt" else "dense"
                rows += [(out, q, d, 1, ""), ("fc1", d, m, 2, ""), ("fc2", m, d, 3, "")]
        return tuple(Matrix(*row) for row in rows)

    @property
    def layer_parameters(self) -> int:
        """Weights in the matrices of one decoder layer."""
        return sum(m.parameters for m in self.matrices)

    @property
    def head_parameters(self) -> int:
        """Weights of the output head (shared with the embedding where `tied`)."""
        return self.vocab * self.width

    @property
    def matmul_parameters(self) -> int:
        """Weights that take part in matrix products: all layers and the head, not the embedding look-up."""
        return self.layers * self.layer_parameters + self.head_parameters

    @property
    def parameters(self) -> int:
        """All weights, counted once where tied."""
        embedding = 0 if self.tied else self.head_parameters
        return self.matmul_parameters + embedding + self.small_parameters

    def targets(self, names: str | Sequence[str]) -> tuple[Matrix, ...]:
        """The matrices of a layer with these names, or all for "all-linear".

        Names are those of PEFT's `target_modules`: suffixes match.
        Raises ValueError for a name that no matrix has.
        """
        names = [names] if isinstance(names, str) else list(names)
        if names == ["all-linear"]:
            return self.matrices
        for name in names:
            if not any(_matches(m, name) for m in self.matrices):
                known = ", ".join(m.name for m in self.matrices)
                raise ValueError(f"{self.name or 'this LLM'} has no matrix {name!r}; it has {known}")
        return tuple(m for m in self.matrices if any(_matches(m, name) for name in names))

    def weight_bytes(self, precision: str = "fp16") -> float:
        """Size of the whole LLM, in bytes."""
        return self.parameters * bytes_per_weight(precision)

    def read_bytes(self, precision: str = "fp16") -> float:
        """What one pass over the LLM reads, in bytes: the weights in matrix products, no embedding look-up."""
        return self.matmul_parameters * bytes_per_weight(precision)

    def kv_bytes(self, tokens: Numbers) -> Floats:
        """Size of the key-value cache after `tokens` tokens, in bytes (fp16)."""
        return 4.0 * self.layers * self.kv_heads * self.head_dim * floats(tokens)


def _matches(matrix: Matrix, target: str) -> bool:
    return matrix.name == target or matrix.name.endswith("." + target)


def bytes_per_weight(precision: str) -> float:
    """Bytes of one stored weight. Raises UnknownName for an unknown precision (bf16 counts as fp16)."""
    known = stated().under("bytes_per_weight")
    name = "fp16" if precision == "bf16" else precision
    if name not in known:
        raise UnknownName("precision", precision, known)
    return known[name].value


def quantised(precision: str) -> bool:
    """Whether the weights are integers, so that engines multiply in int8: faster than in floats."""
    return bytes_per_weight(precision) < 2


def llm_names() -> list[str]:
    """Names of the LLM shapes that come with the package."""
    return sorted(p.stem for p in LLMS.glob("*.json"))


VARIANT = re.compile(
    r"-(instruct|incite|chat|it|pt|hf|base|sft|dpo|gguf|mlx|awq|gptq|spinquant|qlora|v[\d.]+|\d+k|\d{4}|\d-?bit|"
    r"int[48]|fp16|bf16|q\d(-[k\d](-[sml])?)?)(?=-|$)"
)
"""Parts of a name that change the weights or their format, not the shape."""


def llm(name_or_path: str | Path) -> Llm:
    """The shape of an LLM: a name in `llms/`, a config.json, or a folder that holds one.

    Case, publisher, spaces and variant do not matter: "meta-llama/Llama-3.2-1B-Instruct" and "Llama 3.2 1B"
    find "llama-3.2-1b", "microsoft/phi-1_5" finds "phi-1.5". Raises UnknownName where nothing is found, ValueError
    naming the file where it is no config that is supported.
    """
    path = Path(name_or_path)
    if path.is_dir():
        path = path / "config.json"
    if not path.is_file():
        if str(name_or_path).startswith((".", "/", "~")):
            raise ValueError(f"no config.json of an LLM at {str(name_or_path)!r}")
        path = LLMS / f"{_shipped(str(name_or_path))}.json"
    config = read_object(path)
    name = path.stem if path.parent == LLMS else path.parent.name if path.name == "config.json" else path.stem
    try:
        return Llm.from_config(config, name=name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _shipped(asked: str) -> str:
    """Which of the shipped shapes is meant."""
    known = llm_names()
    name = asked.strip().lower().rsplit("/", maxsplit=1)[-1].removeprefix("meta-")
    name = re.sub(r"(?<!q)(\d)_(?=\d)", r"\1.", name)  # phi-1_5, as the hub has it; Q4_0 is a format
    name = re.sub(r"[\s_:]+", "-", name)
    for candidate in (name, VARIANT.sub("", name)):
        for shape in known:
            if _spelt(shape) == _spelt(candidate):
                return shape
    raise UnknownName("LLM", asked, known, get_close_matches(name, known, n=3, cutoff=0.6))


def _spelt(name: str) -> str:
    """A name in one spelling. Words may be joined (openllama, open-llama), numbers not: llama-27b is not llama-2-7b."""
    return "".join(f" {part} " if part[0].isdigit() else part for part in re.findall(r"\d[^-]*|[^\d-]+", name))
