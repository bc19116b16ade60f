"""A causal LM with its tokenizer: loading, text formatting, hidden states and logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sim.common.errors import UserError
from sim.llm.chat import Template, control_tokens, encoded
from sim.llm.folders import check_vocabulary, load_model, load_tokenizer, loading
from sim.llm.kernels.linear import speed_up
from sim.llm.kernels.packing import rows_apart
from strategies.base import Text


@dataclass(frozen=True)
class Encoded:
    """A tokenised text: int32 ids (prompt then answer), and where the answer begins."""

    ids: np.ndarray
    answer_start: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def answer_tokens(self) -> int:
        return len(self.ids) - self.answer_start


class Reader:
    """How an LLM reads and writes text: its tokenizer and chat template, without its weights.

    Args:
        source: a folder or a hub name.
    Raises: UserError when it cannot be found or read.
    """

    def __init__(self, source: str | Path) -> None:
        self.source = str(source)
        self.tokenizer = load_tokenizer(self.source)
        self.template = Template.of(self.tokenizer)
        self._controls = control_tokens(self.tokenizer, self.template)

    def encode(self, texts: Sequence[Text], max_tokens: int) -> list[Encoded]:
        """Tokenise (prompt, answer) pairs; prompts are cut to half of `max_tokens`, whole texts to all of it."""
        if not texts:
            return []
        prompts = self.questions([t.prompt for t in texts])
        answers = self.ids([t.answer for t in texts], after=self.template.after)
        out = []
        for prompt, answer in zip(prompts, answers, strict=True):
            head = prompt if len(prompt) <= max_tokens // 2 else prompt[-(max_tokens // 2) :]
            out.append(Encoded(np.array((head + answer)[:max_tokens], dtype=np.int32), len(head)))
        return out

    def encode_prompts(self, prompts: Sequence[str], max_tokens: int) -> list[np.ndarray]:
        """Tokenise questions up to where the answer begins; long ones lose their beginning."""
        return [np.array(i[-max_tokens:], dtype=np.int32) for i in self.questions(prompts)]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def ids(self, texts: Sequence[str], before: str = "", after: str = "") -> list[list[int]]:
        """Token ids of texts between two strings of the template; control tokens in a text are plain text."""
        return encoded(self.tokenizer, texts, before, after, self._controls) if texts else []

    def questions(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts up to where the answer begins."""
        return self.ids(prompts, self.template.before, self.template.between)


class LanguageModel(Reader):
    """A frozen causal LM: any `transformers` model by hub name or folder.

    Args:
        source: a folder or a hub name.
        device: torch device name.
    Raises: UserError when the model cannot be found or read, or is none that can be worked with.
    """

    def __init__(self, source: str | Path, device: str = "cpu") -> None:
        from transformers.utils import logging

        logging.disable_progress_bar()
        super().__init__(source)
        model = load_model(self.source)
        check_vocabulary(self.tokenizer, model, self.source)
        self.model: nn.Module = model.to(device).eval().requires_grad_(False)
        speed_up(self.model)
        self.device = torch.device(device)
        with loading(self.source):
            self.head = self._checked_head()
            self.packs = self._can_pack()
        self.pad_id = next(i for i in (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, 0) if i is not None)

    @property
    def config(self) -> Any:
        return self.model.config

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return sum(p.numel() for p in self.model.parameters())

    def _checked_head(self) -> nn.Module:
        head = self.model.get_output_embeddings()  # type: ignore[operator]
        ids = torch.arange(4, device=self.device)[None] % self.config.vocab_size
        with torch.no_grad():
            whole = self.model(input_ids=ids, use_cache=False).logits
            if not torch.allclose(self.hidden(ids)[:, :3], self.hidden(ids[:, :3]), atol=1e-3, rtol=1e-3):
                raise UserError(f"llm: {self.source!r} is no causal LM: it reads a text's end before its beginning.")
            if not torch.allclose(head(self.hidden(ids)), whole, atol=1e-3, rtol=1e-3):
                raise UserError(
                    f"llm: {self.source!r} changes its logits after the output layer (softcap or scaling), "
                    "which lanes do not support; choose a model with a plain output layer."
                )
        return head

    def _can_pack(self) -> bool:
        """Whether rows may lie end to end: on a CPU, where that is faster, if they then give the same."""
        limits = (getattr(self.config, name, None) for name in ("sliding_window", "attention_chunk_size"))
        if self.device.type != "cpu" or any(limits):
            return False
        ids = torch.arange(12, device=self.device)[None] % self.config.vocab_size
        with torch.no_grad():
            apart = torch.cat([self.hidden(ids[:, :7]), self.hidden(ids[:, 7:])], dim=1)
            try:
                packed = self.hidden(ids, lengths=[7, 5])
            except (AttributeError, KeyError, RuntimeError, TypeError, ValueError):  # its forward is another
                return False
        return packed.shape == apart.shape and torch.allclose(packed, apart, atol=1e-3, rtol=1e-3)

    @property
    def batch_tokens(self) -> int:
        """Tokens of a forward-only batch: on a CPU few enough for its cache (docs/log.md)."""
        return 4096 if self.device.type == "cpu" else 65_536

    # ------------------------------------------------------------ forward

    def hidden(self, ids: Tensor, mask: Tensor | None = None, lengths: Sequence[int] | None = None) -> Tensor:
        """Hidden states before the output layer, (rows, positions, width). Right padding needs no mask.

        Args:
            lengths: of rows that lie end to end in ids (1, tokens), where the model `packs`.
        """
        if lengths is None:
            return self._hidden(ids, attention_mask=mask)
        positions = np.concatenate([np.arange(n) for n in lengths])
        with rows_apart(self.config):
            return self._hidden(
                ids, position_ids=torch.from_numpy(positions)[None].to(self.device), row_lengths=lengths
            )

    def _hidden(self, ids: Tensor, **settings: Any) -> Tensor:
        return self.model.base_model(input_ids=ids, use_cache=False, **settings).last_hidden_state  # type: ignore[operator]

    def layers(self, ids: Tensor, most: int | None = None) -> tuple[Tensor, ...]:
        """Embeddings of tokens, then hidden states after each layer, (rows, positions, width) each. Right padding.

        Args:
            most: layers whose states are wanted; the later ones may be missing.
        """
        with self._cut(most):
            found = self.model.base_model(input_ids=ids, use_cache=False, output_hidden_states=True)  # type: ignore[operator]
        return tuple(found.hidden_states)

    @contextmanager
    def _cut(self, most: int | None) -> Iterator[None]:
        """Within, the model has no more layers than are needed: a phone that stops early is not simulated to the end.

        One more is kept, since after the last one states are normalised. Models that keep their layers elsewhere stay.
        """
        base, stack = self.model.base_model, getattr(self.model.base_model, "layers", None)
        if most is None or not isinstance(stack, nn.ModuleList) or most + 1 >= len(stack):
            yield
            return
        base.layers = stack[: most + 1]  # type: ignore[union-attr]
        try:
            yield
        finally:
            base.layers = stack  # type: ignore[union-attr]

    def logits(self, hidden: Tensor) -> Tensor:
        """Output logits of hidden states of any leading shape."""
        return self.head(hidden)


def pad(rows: Sequence[np.ndarray], value: int) -> np.ndarray:
    """Stack 1-D rows into one (rows, longest) array, padded on the right."""
    out = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out
