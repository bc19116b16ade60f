"""Reads Hugging Face `config.json` files of the families that `Llm` can describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

GEMMA = ("gemma", "gemma2", "gemma3", "gemma3_text")
LLAMA_LIKE = ("llama", "mistral", "qwen2", "qwen3", "smollm3", "phi3", *GEMMA)
SUPPORTED = (*LLAMA_LIKE, "gpt2", "gpt_neox", "opt", "phi", "bert")


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
    small_parameters: int


def read_config(config: Mapping[str, object]) -> Shape:
    """The shape that a config describes. Raises ValueError with one clear line."""
    text = config.get("text_config")
    if isinstance(text, Mapping):  # models that also see
        config = {"model_type": config.get("model_type"), **text}
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in SUPPORTED:
        raise ValueError(f"model_type {kind!r} is not supported; supported: {', '.join(SUPPORTED)}")
    if any("expert" in key for key in config):
        raise ValueError("mixtures of experts are not supported: which weights work depends on the text")
    try:
        readers = {"gpt2": _gpt2, "gpt_neox": _neox, "opt": _opt, "phi": _phi, "bert": _bert}
        return readers[kind](config) if kind in readers else _llama_like(config, kind)
    except KeyError as error:
        raise ValueError(f"config of model_type {kind!r} lacks {error}") from error
    except (TypeError, ZeroDivisionError) as error:
        raise ValueError(f"config of model_type {kind!r} has a size that is no number above 0: {error}") from error


def _llama_like(c: Mapping[str, Any], kind: str) -> Shape:
    d, layers, heads, m = (
        c[k] for k in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    )
    kv_heads = c.get("num_key_value_heads") or heads
    head_dim = c.get("head_dim") or (256 if kind in GEMMA else d // heads)
    q, kv = heads * head_dim, kv_heads * head_dim
    norms = 4 if kind in GEMMA[1:] else 2
    small = norms * d
    if kind in ("qwen3", "gemma3", "gemma3_text"):
        small += 2 * head_dim  # norms of q and k
    if kind == "qwen2" or c.get("attention_bias"):
        small += q + 2 * kv
    if kind != "qwen2" and c.get("attention_bias"):
        small += d
    if c.get("mlp_bias"):
        small += 2 * m + d
    return {
        "vocab": c["vocab_size"], "width": d, "layers": layers, "heads": heads, "kv_heads": kv_heads,
        "head_dim": head_dim, "mlp_width": m,
        "tied": c.get("tie_word_embeddings", kind in GEMMA), "family": "phi3" if kind == "phi3" else "llama",
        "small_parameters": layers * small + d,
    }  # fmt: skip


def _gpt2(c: Mapping[str, Any]) -> Shape:
    d, layers, heads = c["n_embd"], c["n_layer"], c["n_head"]
    m = c.get("n_inner") or 4 * d
    small = 4 * d + 3 * d + d + m + d  # two LayerNorms, then the biases of the four matrices
    return {
        "vocab": c["vocab_size"], "width": d, "layers": layers, "heads": heads, "kv_heads": heads,
        "head_dim": d // heads, "mlp_width": m, "tied": c.get("tie_word_embeddings", True),
        "family": "gpt2", "small_parameters": layers * small + 2 * d + c.get("n_positions", 1024) * d,
    }  # fmt: skip


def _neox(c: Mapping[str, Any]) -> Shape:
    d, layers, heads, m = (
        c[k] for k in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    )
    small = 4 * d + m + d + (4 * d if c.get("attention_bias", True) else 0)
    return {
        "vocab": c["vocab_size"], "width": d, "layers": layers, "heads": heads, "kv_heads": heads,
        "head_dim": d // heads, "mlp_width": m, "tied": c.get("tie_word_embeddings", False),
        "family": "neox", "parallel": c.get("use_parallel_residual", True),
        "small_parameters": layers * small + 2 * d,
    }  # fmt: skip


def _opt(c: Mapping[str, Any]) -> Shape:
    d, layers, heads, m = (c[k] for k in ("hidden_size", "num_hidden_layers", "num_attention_heads", "ffn_dim"))
    if c.get("word_embed_proj_dim", d) != d:
        raise ValueError("OPT with embeddings of another width than its layers (opt-350m) is not supported")
    small = 4 * d + 4 * d + m + d  # two LayerNorms, then the biases of q, k, v, out and of the MLP
    positions = (c.get("max_position_embeddings", 2048) + 2) * d
    return {
        "vocab": c["vocab_size"], "width": d, "layers": layers, "heads": heads, "kv_heads": heads,
        "head_dim": d // heads, "mlp_width": m, "tied": c.get("tie_word_embeddings", True),
        "family": "opt", "small_parameters": layers * small + 2 * d + positions,
    }  # fmt: skip


def _phi(c: Mapping[str, Any]) -> Shape:
    d, layers, heads, m = (
        c[k] for k in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    )
    kv_heads = c.get("num_key_value_heads") or heads
    kv = kv_heads * (d // heads)
    small = 2 * d + 2 * d + 2 * kv + m + d  # one LayerNorm, then the biases of q, dense, k, v and of the MLP
    return {
        "vocab": c["vocab_size"], "width": d, "layers": layers, "heads": heads, "kv_heads": kv_heads,
        "head_dim": d // heads, "mlp_width": m, "tied": c.get("tie_word_embeddings", False),
        "family": "phi", "parallel": True, "small_parameters": layers * small + 2 * d + c["vocab_size"],
    }  # fmt: skip


def _bert(c: Mapping[str, Any]) -> Shape:
    d, layers, heads, m = (
        c[k] for k in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    )
    small = 4 * d + 4 * d + m + d  # two LayerNorms, then the biases of q, k, v, out and of the MLP
    embeddings = (c["vocab_size"] + c["max_position_embeddings"] + c["type_vocab_size"] + 2) * d  # with a LayerNorm
    pooler = d * d + d  # there, and not used
    return {
        "vocab": 0, "width": d, "layers": layers, "heads": heads, "kv_heads": heads, "head_dim": d // heads,
        "mlp_width": m, "tied": True, "family": "opt", "small_parameters": layers * small + embeddings + pooler,
    }  # fmt: skip
