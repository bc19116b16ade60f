"""Contestant (b): one resident base LLM and a loop over PEFT adapters in one process, as a careful user would write it.

Texts are tokenised before the clock starts, batches padded to their longest, all held-out texts evaluated in one batch.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from sim.llm.model import Encoded
from tests.benchmarks.workload import Workload, encode


def run(work: Workload, threads: int | None = None, device: str = "cpu") -> dict[str, Any]:
    """Train all users one after another; seconds of the loop and the final held-out losses.

    `threads`: of torch; None: as many as torch takes by itself.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if threads:
        torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(work.folder, local_files_only=True)
    base = AutoModelForCausalLM.from_pretrained(work.folder, local_files_only=True).to(device)
    config = work.config()
    starts = [work.fresh(base, user) for user in range(work.users)]
    texts = [encode(tokenizer, list(work.user(u).texts), config) for u in range(work.users)]
    held_out = [on(device, collate(encode(tokenizer, list(work.user(u).held_out), config))) for u in range(work.users)]
    training = config.training
    model = get_peft_model(
        base,
        LoraConfig(
            r=training.rank,
            lora_alpha=training.alpha,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )
    parameters = {n.replace(".default", ""): p for n, p in model.named_parameters() if p.requires_grad}

    def train(user: int, steps: int) -> list[float]:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(starts[user][name])
        optimizer = torch.optim.AdamW(parameters.values(), lr=work.lr, weight_decay=0.0)
        order, losses = work.order(user), []
        for step in range(steps + 1):
            if step % work.evaluate_every == 0 or step == steps:
                model.eval()
                with torch.no_grad():
                    losses.append(float(model(**held_out[user]).loss))
                model.train()
            if step < steps:
                rows = order[step * work.batch : (step + 1) * work.batch]
                model(**on(device, collate([texts[user][i] for i in rows]))).loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters.values(), training.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad()
        return losses

    train(0, 1)  # warm-up
    began = time.perf_counter()
    losses = [train(user, work.steps)[-1] for user in range(work.users)]
    return {"seconds": time.perf_counter() - began, "losses": losses, "threads": torch.get_num_threads()}


def on(device: str, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The batch on a torch device."""
    return {name: tensor.to(device) for name, tensor in batch.items()}


def collate(rows: list[Encoded]) -> dict[str, Tensor]:
    """Pad rows on the right to their longest; labels are the answers' tokens."""
    shape = len(rows), max(map(len, rows))
    ids, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, -100)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(row.ids)
        mask[i, : len(row)] = 1
        labels[i, row.answer_start : len(row)] = ids[i, row.answer_start : len(row)]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}
