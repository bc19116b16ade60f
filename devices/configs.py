"""Reads Hugging Face `config.json` files of the families that `Llm` can describe.

What a config leaves out is what `transformers` takes then, family by family; what no LLM can have is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NotRequired, TypedDict

GEMMA3 = {
    "vocab_size": 262_208, "hidden_size": 2304, "num_hidden_layers": 26, "num_attention_heads": 8,
    "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 9216, "tie_word_embeddings": True,
    "attention_bias": False,
}  # fmt: skip
DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "llama": {
        "vocab_size": 32_000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": None, "head_dim": None, "intermediate_size": 11_008, "tie_word_embeddings": False,
        "attention_bias": False, "mlp_bias": False,
    },
    "mistral": {
        "vocab_size": 32_000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": None, "intermediate_size": 14_336, "tie_word_embeddings": False,
    },
    "qwen2": {
        "vocab_size": 151_936, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "head_dim": None, "intermediate_size": 22_016, "tie_word_embeddings": False,
    },
    "qwen3": {
        "vocab_size": 151_936, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "head_dim": 128, "intermediate_size": 22_016, "tie_word_embeddings": False,
        "attention_bias": False,
    },
    "smollm3": {
        "vocab_size": 128_256, "hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16,
        "num_key_value_heads": 4, "head_dim": None, "intermediate_size": 11_008, "tie_word_embeddings": True,
        "attention_bias": False, "mlp_bias": False,
    },
    "phi3": {
        "vocab_size": 32_064, "hidden_size": 3072, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": None, "head_dim": None, "intermediate_size": 8192, "tie_word_embeddings": False,
    },
    "gemma": {
        "vocab_size": 256_000, "hidden_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 16, "head_dim": 256, "intermediate_size": 24_576, "tie_word_embeddings": True,
        "attention_bias": False,
    },
    "gemma2": {
        "vocab_size": 256_000, "hidden_size": 2304, "num_hidden_layers": 26, "num_attention_heads": 8,
        "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 9216, "tie_word_embeddings": True,
        "attention_bias": False,
    },
    "gemma3": GEMMA3,
    "gemma3_text": GEMMA3,
    "gpt2": {
        "vocab_size": 50_257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": None, "n_positions": 1024,
        "tie_word_embeddings": True,
    },
    "gpt_neox": {
        "vocab_size": 50_432, "hidden_size": 6144, "num_hidden_layers": 44, "num_attention_heads": 64,
        "intermediate_size": 24_576, "tie_word_embeddings": False, "attention_bias": True,
        "use_parallel_residual": True,
    },
    "opt": {
        "vocab_size": 50_272, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "ffn_dim": 3072, "word_embed_proj_dim": None, "max_position_embeddings": 2048, "tie_word_embeddings": True,
        "enable_bias": True, "layer_norm_elementwise_affine": True,
    },
    "phi": {
        "vocab_size": 51_200, "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32,
        "num_key_value_heads": None, "intermediate_size": 8192, "tie_word_embeddings": False,
    },
    "bert": {
        "vocab_size": 30_522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2,
    },
}  # fmt: skip
"""By family the entries that decide its shape, with the values of `transformers` (tests hold them to it).

None: worked out from others. The sizes among them that are numbers must be in a config, unless it is the `text_config`
of one, where only what differs is written.
"""
OPTIONAL = ("num_key_value_heads", "head_dim", "n_inner", "n_positions", "max_position_embeddings",
            "type_vocab_size", "word_embed_proj_dim")  # fmt: skip
SUPPORTED = tuple(DEFAULTS)
LARGEST = {"vocab_size": 10_000_000, "num_hidden_layers": 10_000, "n_layer": 10_000}
"""Sizes beyond, and 1,000,000 for all others, are mistakes."""


class Shape(TypedDict):
    """The fields of `Llm` but its name."""

    vocab: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp_width: int
    tied: bool
    family: str
    parallel: NotRequired[bool]
    causal: NotRequired[bool]
    small_parameters: int


class Entries:
    """The entries of a config that decide the LLM's shape, each checked as it is read."""

    def __init__(self, config: Mapping[str, object], kind: str, sparse: bool) -> None:
        self._config, self._kind, self._sparse = config, kind, sparse
        self._defaults = DEFAULTS[kind]

    def size(self, key: str) -> int:
        """A whole number above 0."""
        value = self.size_or(key, None)
        if value is None:
            raise ValueError(f"{key} is null; a whole number above 0 is expected")
        return value

    def size_or(self, key: str, otherwise: int | None) -> int | None:
        """A whole number above 0; `otherwise` where it is null, or absent and worked out from others."""
        if key not in self._config and not self._sparse and key not in OPTIONAL:
            raise ValueError(f"config of model_type {self._kind!r} lacks {key!r}")
        value = self._config.get(key, self._defaults[key])
        if value is None:
            return otherwise
        most = LARGEST.get(key, 1_000_000)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
            raise ValueError(f"{key} is {value!r:.60}; a whole number from 1 to {most:,} is expected")
        return value

    def flag(self, key: str) -> bool:
        """True or false; false where the family does not know it."""
        if key not in self._defaults:
            return False
        value = self._config.get(key, self._defaults[key])
        if not isinstance(value, bool):
            raise ValueError(f"{key} is {value!r:.60}; true or false is expected")
        return value


def read_config(config: Mapping[str, object]) -> Shape:
    """The shape that a config describes. Raises ValueError with one clear line."""
    text, kind = config.get("text_config"), config.get("model_type")
    sparse = isinstance(text, Mapping)
    if isinstance(text, Mapping):  # models that also see
        tied = {k: v for k, v in config.items() if k == "tie_word_embeddings"}
        config = {**tied, **text}
        kind = text.get("model_type", kind)
    if not isinstance(kind, str) or kind not in SUPPORTED:
        raise ValueError(f"model_type {kind!r:.60} is not supported; supported: {', '.join(SUPPORTED)}")
    if any("expert" in key for key in config):
        raise ValueError("mixtures of experts are not supported: which weights work depends on the text")
    entries = Entries(config, kind, sparse)
    return READERS.get(kind, _llama_like)(entries, kind)


def _heads(width: int, heads: int, kv_heads: int, head_dim: int | None = None) -> int:
    """The size of a head, where the numbers of heads are possible."""
    if head_dim is None and width % heads:
        raise ValueError(f"{heads} attention heads do not divide the width {width}, and no head_dim is given")
    if heads % kv_heads:
        raise ValueError(f"{kv_heads} key-value heads do not divide {heads} attention heads")
    return head_dim or width // heads


def _llama_like(c: Entries, kind: str) -> Shape:
    d, layers, heads = c.size("hidden_size"), c.size("num_hidden_layers"), c.size("num_attention_heads")
    m, kv_heads = c.size("intermediate_size"), c.size_or("num_key_value_heads", None) or heads
    head_dim = _heads(d, heads, kv_heads, c.size_or("head_dim", None))
    q, kv = heads * head_dim, kv_heads * head_dim
    norms = 4 if kind in ("gemma2", "gemma3", "gemma3_text") else 2
    small = norms * d
    if kind in ("qwen3", "gemma3", "gemma3_text"):
        small += 2 * head_dim  # norms of q and k
    if kind == "qwen2":
        small += q + 2 * kv
    if c.flag("attention_bias"):
        small += q + 2 * kv + d
    if c.flag("mlp_bias"):
        small += 2 * m + d
    return {
        "vocab": c.size("vocab_size"), "width": d, "layers": layers, "heads": heads, "kv_heads": kv_heads,
        "head_dim": head_dim, "mlp_width": m, "tied": c.flag("tie_word_embeddings"),
        "family": "phi3" if kind == "phi3" else "llama", "small_parameters": layers * small + d,
    }  # fmt: skip


def _gpt2(c: Entries, kind: str) -> Shape:
    d, layers, heads = c.size("n_embd"), c.size("n_layer"), c.size("n_head")
    m = c.size_or("n_inner", None) or 4 * d
    small = 4 * d + 3 * d + d + m + d  # two LayerNorms, then the biases of the four matrices
    return {
        "vocab": c.size("vocab_size"), "width": d, "layers": layers, "heads": heads, "kv_heads": heads,
        "head_dim": _heads(d, heads, heads), "mlp_width": m, "tied": c.flag("tie_word_embeddings"),
        "family": "gpt2", "small_parameters": layers * small + 2 * d + c.size("n_positions") * d,
    }  # fmt: skip


def _neox(c: Entries, kind: str) -> Shape:
    d, layers, heads = c.size("hidden_size"), c.size("num_hidden_layers"), c.size("num_attention_heads")
    m = c.size("intermediate_size")
    small = 4 * d + m + d + (4 * d if c.flag("attention_bias") else 0)
    return {
        "vocab": c.size("vocab_size"), "width": d, "layers": layers, "heads": heads, "kv_heads": heads,
        "head_dim": _heads(d, heads, heads), "mlp_width": m, "tied": c.flag("tie_word_embeddings"),
        "family": "neox", "parallel": c.flag("use_parallel_residual"),
        "small_parameters": layers * small + 2 * d,
    }  # fmt: skip


def _opt(c: Entries, kind: str) -> Shape:
    d, layers, heads = c.size("hidden_size"), c.size("num_hidden_layers"), c.size("num_attention_heads")
    m = c.size("ffn_dim")
    if c.size_or("word_embed_proj_dim", d) != d:
        raise ValueError("OPT with embeddings of another width than its layers (opt-350m) is not supported")
    norms = 4 * d if c.flag("layer_norm_elementwise_affine") else 0
    biases = 4 * d + m + d if c.flag("enable_bias") else 0  # of q, k, v, out and of the MLP
    positions = (c.size("max_position_embeddings") + 2) * d
    return {
        "vocab": c.size("vocab_size"), "width": d, "layers": layers, "heads": heads, "kv_heads": heads,
        "head_dim": _heads(d, heads, heads), "mlp_width": m, "tied": c.flag("tie_word_embeddings"),
        "family": "opt", "small_parameters": layers * (norms + biases) + norms // 2 + positions,
    }  # fmt: skip


def _phi(c: Entries, kind: str) -> Shape:
    d, layers, heads = c.size("hidden_size"), c.size("num_hidden_layers"), c.size("num_attention_heads")
    m, kv_heads = c.size("intermediate_size"), c.size_or("num_key_value_heads", None) or heads
    head_dim, vocab = _heads(d, heads, kv_heads), c.size("vocab_size")
    small = 2 * d + 2 * d + 2 * kv_heads * head_dim + m + d  # a LayerNorm; biases of q, dense, k, v and of the MLP
    return {
        "vocab": vocab, "width": d, "layers": layers, "heads": heads, "kv_heads": kv_heads,
        "head_dim": head_dim, "mlp_width": m, "tied": c.flag("tie_word_embeddings"),
        "family": "phi", "parallel": True, "small_parameters": layers * small + 2 * d + vocab,
    }  # fmt: skip


def _bert(c: Entries, kind: str) -> Shape:
    d, layers, heads = c.size("hidden_size"), c.size("num_hidden_layers"), c.size("num_attention_heads")
    m = c.size("intermediate_size")
    small = 4 * d + 4 * d + m + d  # two LayerNorms, then the biases of q, k, v, out and of the MLP
    words, positions = c.size("vocab_size"), c.size("max_position_embeddings")
    embeddings = (words + positions + c.size("type_vocab_size") + 2) * d  # with a LayerNorm
    pooler = d * d + d  # there, and not used
    return {
        "vocab": 0, "width": d, "layers": layers, "heads": heads, "kv_heads": heads,
        "head_dim": _heads(d, heads, heads), "mlp_width": m, "tied": True, "family": "opt",
        "causal": False, "small_parameters": layers * small + embeddings + pooler,
    }  # fmt: skip


READERS: Mapping[str, Callable[[Entries, str], Shape]] = {
    "gpt2": _gpt2, "gpt_neox": _neox, "opt": _opt, "phi": _phi, "bert": _bert,
}  # fmt: skip
"""By family; all others are like Llama."""
