"""Work that was done, counted where it is done and priced elsewhere (`sim.ledger.meter`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any


@dataclass
class Work:
    """Counts of one phone's (or the cloud's) work, in tokens of the LLMs that are really run.

    A sequence is one forward pass over one text. `evaluate` runs the output head on answer tokens, `prefill` on the
    last position only, `judge` is the summarizer's prefill without an output head, `train` fine-tunes for trial.
    `fixed` tokens, which are among the others, are those of an instruction: as many on any LLM, however long its texts.
    `train_steps` are those asked for, which may be parts of one; `train_batches` those that were run for it.
    """

    evaluate_tokens: int = 0
    evaluate_sequences: int = 0
    evaluate_logits: int = 0
    prefill_tokens: int = 0
    prefill_fixed_tokens: int = 0
    prefill_sequences: int = 0
    decode_tokens: int = 0
    judge_tokens: int = 0
    judge_fixed_tokens: int = 0
    judge_sequences: int = 0
    judge_decode_tokens: int = 0
    train_tokens: int = 0
    train_steps: float = 0
    train_batches: int = 0
    pllm_downloads: int = 0
    offer_bytes: int = 0
    requests: int = 0

    def __iadd__(self, other: Work) -> Work:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        return self

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def total(items: Iterable[Work]) -> Work:
    out = Work()
    for item in items:
        out += item
    return out
