"""The terms of a bill: the deployed LLMs, and what one measured unit is on them.

Steps, tokens and requests are measured on the LLM that is really run. Two stated inputs carry them over to the deployed
one: `billing.scratch_steps` (steps that it needs from scratch) and `billing.tokens_per_text` (its tokens a text).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from devices import Adapter, Llm, llm
from devices.basics import Floats, Numbers, floats
from sim.experiment.config import Config
from sim.experiment.sections import Billing
from sim.llm.adapters import kind_of

ENCODER = llm("all-minilm-l6-v2")
"""The sentence encoder: the one that is run is the one that is billed."""


@dataclass(frozen=True)
class Terms:
    """What prices depend on besides the phone.

    Args:
        llms: the deployed LLMs, by what they are used as.
        adapter: what is trained of a start that is not merged.
        batch: texts a step of the LLM that is really trained.
        pllm_bytes: what a phone downloads for a pLLM.
        steps: billed steps for each measured step.
        text_tokens: measured tokens of a mean text, prompt and answer.
    """

    llms: Mapping[str, Llm]
    billing: Billing
    adapter: Adapter
    batch: int
    pllm_bytes: float
    steps: float
    text_tokens: float

    @classmethod
    def of(cls, config: Config, text_tokens: float, steps: float | None = None) -> Terms:
        """The terms of an experiment.

        Args:
            steps: billed steps for each measured one. None: not known yet, and taken as if fine-tuning from scratch
                needed the whole budget, which is the least that it can be.
        """
        billing, training = config.billing, config.training
        if steps is None:
            steps = billing.scratch_steps / training.steps if billing.scratch_steps else 1.0
        llms = {"base": llm(config.llm.deploy), "summarizer": llm(config.llm.summarizer_deploy), "encoder": ENCODER}
        adapter = kind_of(training).billed()
        return cls(
            llms, billing, adapter, training.batch, _pllm_bytes(config, llms["base"], adapter), steps, text_tokens
        )

    def at(self, steps: float) -> Terms:
        """The same terms with another number of billed steps for each measured one."""
        return replace(self, steps=steps)

    def tokens(self, measured: Floats, fixed: Numbers = 0.0) -> Floats:
        """Tokens on the deployed LLM; `fixed` ones among them are those of an instruction, as many on any LLM."""
        unit = (
            self.billing.tokens_per_text / self.text_tokens
            if self.billing.tokens_per_text and self.text_tokens
            else 1.0
        )
        return (measured - fixed) * unit + fixed

    def step_tokens(self, tokens: Floats, steps: Floats) -> Floats:
        """Tokens of a training step: as many as `billing.tokens_per_step` says, else as were measured."""
        return floats(self.billing.tokens_per_step or tokens / np.maximum(steps, 1))


def _pllm_bytes(config: Config, deploy: Llm, adapter: Adapter) -> float:
    """The size of one pLLM as it is shipped: the adapter in fp16, or the whole model as `billing` says."""
    if config.pool.ship == "model":
        billing = config.billing
        shipped = billing.precision if billing.ship_precision == "same" else billing.ship_precision
        return float(deploy.weight_bytes(shipped))
    return float(adapter.bytes(deploy, "fp16"))
