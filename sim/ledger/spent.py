"""What was really spent: FLOPs of the LLMs that were really run. `sim.ledger.meter` has what the phone is billed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from devices import Llm, Lora, flops
from devices.basics import Numbers
from sim.experiment.config import Config
from sim.ledger.work import Work
from sim.messages import Outcome


@dataclass(frozen=True)
class Spent:
    """Of the LLMs that are really run: `model` and, where it is, the summarizer. `targets` are the layers with LoRA.

    None stands for an LLM of unknown sizes: what it was used for has no FLOPs, and NaN (an empty cell) says so.
    """

    config: Config
    model: Llm | None
    summarizer: Llm | None
    targets: str | list[str]

    def columns(self, some: Sequence[Outcome], work: Work, rank: int) -> dict[str, Any]:
        """The columns model_*_flops, arrays (users,). `work`: what choosing took; `rank`: that of fine-tuning."""

        if self.model is None:
            return dict.fromkeys(("model_selection_flops", "model_finetune_flops", "model_evaluate_flops"), np.nan)
        model = self.model

        def each(figure: Callable[[Outcome], int]) -> np.ndarray:
            return np.array([figure(o) for o in some], dtype=np.float64)

        steps, tokens = each(lambda o: o.steps), each(lambda o: o.train_tokens)
        evaluated = each(lambda o: o.evaluated_tokens)
        held_out = self.config.population.held_out * each(lambda o: max(len(o.curve), 1))
        trials = self._training(model, work.train_batches, work.train_tokens, self.config.training.rank)
        return {
            "model_selection_flops": forward_flops(model, self.summarizer, work) + trials,
            "model_finetune_flops": self._training(model, steps, tokens, rank),
            "model_evaluate_flops": flops.forward(model, evaluated, evaluated / held_out),
        }

    def _training(self, model: Llm, steps: Numbers, tokens: Numbers, rank: int) -> Any:
        per_step = tokens / np.maximum(steps, 1)
        lora = Lora(rank, self.targets)
        return steps * lora.step_flops(model, per_step, per_step / self.config.training.batch)


def forward_flops(model: Llm, judge: Llm | None, work: Work) -> Any:
    """Forward FLOPs of work on two architectures, tokens as measured; NaN where `judge` works and is not known."""
    spent: Any = 0.0
    if np.any(n := work.evaluate_sequences):
        spent += flops.forward(model, work.evaluate_tokens, work.evaluate_tokens / n, work.evaluate_logits)
    if np.any(n := work.prefill_sequences):
        spent += flops.forward(model, work.prefill_tokens, work.prefill_tokens / n, n)
        spent += flops.forward(model, work.decode_tokens, work.prefill_tokens / n)
    if judge is None:
        spent += np.where(work.judge_sequences, np.nan, 0.0)
    elif np.any(n := work.judge_sequences):
        spent += flops.forward(judge, work.judge_tokens, work.judge_tokens / n, 0)
        spent += flops.forward(judge, work.judge_decode_tokens, work.judge_tokens / n)
    return spent
