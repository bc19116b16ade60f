"""Rows end to end instead of padded: no product is spent on padding, and attention is as long as each row.

For any `transformers` model whose attention goes through its attention interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

NAME = "headstart_rows"
"""An attention function that `transformers` knows no mask for, so that it makes none."""


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    row_lengths: Sequence[int] = (),
    **settings: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each row; query, key, value: (1, heads, tokens, width of a head)."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    lengths = list(row_lengths)
    rows = zip(query.split(lengths, 2), key.split(lengths, 2), value.split(lengths, 2), strict=True)
    out = [sdpa_attention_forward(module, q, k, v, None, scaling=scaling, **settings)[0] for q, k, v in rows]
    return torch.cat(out, dim=1), None


@contextmanager
def rows_apart(config: Any) -> Iterator[None]:
    """While it lasts, a model of this config attends within rows, and takes `row_lengths`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    usual, config._attn_implementation_internal = config._attn_implementation, NAME
    try:
        yield
    finally:
        config._attn_implementation_internal = usual
