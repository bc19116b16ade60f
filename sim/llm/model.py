"""A causal LM with its tokenizer: loading, text formatting, hidden states and logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sim.common.errors import UserError
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


TODAY = datetime(2024, 7, 26)
"""The day that chat templates see: one that prints the date must not change the texts from day to day."""


@dataclass(frozen=True)
class Template:
    """The strings around a prompt and an answer."""

    before: str
    between: str
    after: str

    @classmethod
    def of(cls, tokenizer: Any) -> Template:
        """The tokenizer's chat template where it has one, else a plain question and answer."""
        if not tokenizer.chat_template:
            return cls(tokenizer.bos_token or "", "\n", tokenizer.eos_token or "\n")
        prompt, answer = "PROMPT-MARK", "ANSWER-MARK"
        user = {"role": "user", "content": prompt}
        fixed = {"date_string": f"{TODAY:%d %b %Y}", "chat_template": _dated(tokenizer.get_chat_template())}
        opened = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True, **fixed)
        before, between = opened.split(prompt)
        both = [user, {"role": "assistant", "content": answer}]
        whole = tokenizer.apply_chat_template(both, tokenize=False, **fixed)
        return cls(before, between, whole.split(answer)[1].rstrip("\n") or (tokenizer.eos_token or ""))

    def question(self, prompt: str) -> str:
        return f"{self.before}{prompt}{self.between}"


def _dated(template: str) -> str:
    """A chat template whose `strftime_now` is always `TODAY`: a macro hides the function of `transformers`."""
    parts = "".join(f" | replace('%{code}', '{TODAY:%{code}}')" for code in "aAbBdHIjmMpSyY")
    return f"{{%- macro strftime_now(format) %}}{{{{ format{parts} }}}}{{%- endmacro %}}\n{template}"


class LanguageModel:
    """A frozen causal LM: any `transformers` model by hub name or folder.

    Args:
        source: a folder or a hub name.
        device: torch device name.
    Raises: UserError when the model cannot be found or read.
    """

    def __init__(self, source: str | Path, device: str = "cpu") -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        local = Path(source).is_dir()
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
            model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, local_files_only=local)
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(f"llm: cannot load {str(source)!r} (a model folder or a hub name): {first}") from error
        self.source = str(source)
        self.model: nn.Module = model.to(device).eval().requires_grad_(False)
        speed_up(self.model)
        self.device = torch.device(device)
        self.template = Template.of(self.tokenizer)
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

    def logits(self, hidden: Tensor) -> Tensor:
        """Output logits of hidden states of any leading shape."""
        return self.head(hidden)

    # ------------------------------------------------------------ text

    def encode(self, texts: Sequence[Text], max_tokens: int) -> list[Encoded]:
        """Tokenise (prompt, answer) pairs; prompts are cut to half of `max_tokens`, whole texts to all of it."""
        if not texts:
            return []
        prompts = self._ids([self.template.question(t.prompt) for t in texts])
        answers = self._ids([t.answer + self.template.after for t in texts])
        out = []
        for prompt, answer in zip(prompts, answers, strict=True):
            head = prompt if len(prompt) <= max_tokens // 2 else prompt[-(max_tokens // 2) :]
            out.append(Encoded(np.array((head + answer)[:max_tokens], dtype=np.int32), len(head)))
        return out

    def encode_prompts(self, prompts: Sequence[str], max_tokens: int) -> list[np.ndarray]:
        """Tokenise questions up to where the answer begins; long ones lose their beginning."""
        ids = self._ids([self.template.question(p) for p in prompts])
        return [np.array(i[-max_tokens:], dtype=np.int32) for i in ids]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _ids(self, strings: list[str]) -> list[list[int]]:
        return self.tokenizer(strings, add_special_tokens=False)["input_ids"]


def pad(rows: Sequence[np.ndarray], value: int) -> np.ndarray:
    """Stack 1-D rows into one (rows, longest) array, padded on the right."""
    out = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out
