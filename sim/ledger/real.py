"""What was really spent: FLOPs of the LLMs that were really run. `sim.ledger.bill` has what the phone is billed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from devices import Adapter, Llm, flops
from devices.basics import Numbers, floats
from sim.ledger import prices
from sim.ledger.prices import Priced
from sim.ledger.terms import Terms
from sim.ledger.work import LLMS, Figures, Key, floats_of
from sim.messages import Outcome


@dataclass(frozen=True)
class Real:
    """Of the LLMs that are really run, by what they are used as.

    None stands for an LLM of unknown sizes: what it was used for has no FLOPs, and NaN (an empty cell) says so.
    """

    llms: Mapping[str, Llm | None]
    handlers: Mapping[str, Priced]

    def columns(
        self, some: Sequence[Outcome], work: Mapping[Key, Figures], terms: Terms, adapter: Adapter
    ) -> dict[str, Numbers]:
        """The columns model_*_flops, arrays (users,). `work`: what choosing took; `adapter`: what was fine-tuned."""
        if (model := self.llms["base"]) is None:
            return dict.fromkeys(("model_selection_flops", "model_finetune_flops", "model_evaluate_flops"), np.nan)
        steps, tokens = floats_of([o.steps for o in some]), floats_of([o.train_tokens for o in some])
        evaluated, texts = floats_of([o.evaluated_tokens for o in some]), floats_of([o.evaluated_texts for o in some])
        return {
            "model_selection_flops": total_flops(work, self.llms, terms, self.handlers),
            "model_finetune_flops": prices.training_flops(terms, model, steps, tokens, adapter),
            "model_evaluate_flops": flops.forward(model, evaluated, evaluated / np.maximum(texts, 1)),
        }


def total_flops(
    work: Mapping[Key, Figures], llms: Mapping[str, Llm | None], terms: Terms, handlers: Mapping[str, Priced]
) -> Numbers:
    """FLOPs of work on LLMs, tokens as measured; NaN where one works whose sizes are not known."""
    total = floats(0.0)
    for kind, handler in handlers.items():
        for name in LLMS:
            if (n := work.get(Key(kind, name))) is not None:
                llm = llms[name]
                for part in [np.nan] if llm is None else handler.flops(terms, name, llm, n):
                    total = total + part
    return total
