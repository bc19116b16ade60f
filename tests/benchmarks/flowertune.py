"""Contestant (a): the FlowerTune pattern on Flower, as its users write it.

One SuperNode a client. Every message makes the client load its data, the tokenizer and the base LLM, wrap it with PEFT,
build a Trainer and train. FlowerTune uses trl's SFTTrainer, which is a `transformers.Trainer` with options; here it is
`Trainer` itself, with the options that make it do exactly what the others do. Nothing is added that costs time:
no logging, no checkpoints, no reports; two clients at once on two cores, one thread each.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Fine-tune one client's adapter; replies with it and with the held-out losses."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForSeq2Seq,
        Trainer,
        TrainingArguments,
        logging,
    )

    from strategies.base import Text
    from tests.benchmarks.workload import Workload, encode

    logging.disable_progress_bar()
    order = message.content["config"]
    work, user = Workload(**json.loads(str(order["workload"]))), int(order["user"])
    steps = int(order["steps"])
    config = work.config()
    rank, alpha = config.training.rank, config.training.alpha

    tokenizer = AutoTokenizer.from_pretrained(work.folder, local_files_only=True)
    data = json.loads(Path(str(order["texts"]), f"{user}.json").read_text(encoding="utf-8"))

    def dataset(part: str) -> list[dict[str, Any]]:
        rows = []
        for text in encode(tokenizer, [Text(**t) for t in data[part]], config):
            ids = text.ids.tolist()
            rows.append({"input_ids": ids, "labels": [-100] * text.answer_start + ids[text.answer_start :]})
        return rows

    model = AutoModelForCausalLM.from_pretrained(work.folder, local_files_only=True)
    model = get_peft_model(
        model,
        LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    set_peft_model_state_dict(model, message.content["arrays"].to_torch_state_dict())

    class InOrder(Trainer):
        """Batches in the order that all contestants share."""

        def _get_train_sampler(self, *_: Any) -> Any:
            return _Given(work.order(user)[: steps * work.batch])

    with tempfile.TemporaryDirectory() as folder:
        trainer = InOrder(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                max_steps=steps,
                per_device_train_batch_size=work.batch,
                per_device_eval_batch_size=work.held_out,
                learning_rate=work.lr,
                lr_scheduler_type="constant",
                optim="adamw_torch",
                weight_decay=0.0,
                max_grad_norm=1.0,
                eval_strategy="steps",
                eval_steps=work.evaluate_every,
                eval_on_start=True,
                prediction_loss_only=True,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
                dataloader_pin_memory=False,
            ),
            train_dataset=dataset("texts"),
            eval_dataset=dataset("held_out"),
            data_collator=DataCollatorForSeq2Seq(tokenizer),
        )
        trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    trained = {name: tensor.detach().cpu() for name, tensor in get_peft_model_state_dict(model).items()}
    content = RecordDict({"arrays": ArrayRecord(trained), "metrics": MetricRecord({"user": user, "eval_loss": losses})})
    return Message(content, reply_to=message)


class _Given:
    """A sampler that is given its order."""

    def __init__(self, order: list[int]) -> None:
        self._order = order

    def __iter__(self) -> Iterator[int]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)


def orders(workload: str, texts: Path, nodes: list[int], users: list[int], steps: int) -> list[Message]:
    """The server's messages: to each client its adapter and what to do with it."""
    from transformers import AutoModelForCausalLM

    from tests.benchmarks.workload import Workload

    work = Workload(**json.loads(workload))
    base = AutoModelForCausalLM.from_pretrained(work.folder, local_files_only=True)
    messages = []
    for node, user in zip(nodes, users, strict=True):
        settings = {"workload": workload, "texts": str(texts), "user": user, "steps": steps}
        content = RecordDict({"arrays": ArrayRecord(work.fresh(base, user)), "config": ConfigRecord(settings)})
        messages.append(Message(content, message_type="train", dst_node_id=node))
    return messages


def run(work: Any, texts: Path) -> dict[str, Any]:
    """Train all users, each on its own SuperNode; seconds from the first message to the last reply.

    Some clients first train one step, which is not timed: workers then have torch and transformers imported.
    """
    from dataclasses import asdict

    from flwr.serverapp import Grid

    from tests.benchmarks.flower import simulation

    work.save_texts(texts)
    workload = json.dumps(asdict(work))

    def serve(grid: Grid) -> dict[str, Any]:
        nodes = sorted(grid.get_node_ids())[: work.users]
        users = list(range(work.users))
        warm = min(work.users, 2 * (os.cpu_count() or 1))
        _losses(grid.send_and_receive(orders(workload, texts, nodes[:warm], users[:warm], 1)))
        messages = orders(workload, texts, nodes, users, work.steps)
        began = time.perf_counter()
        losses = _losses(grid.send_and_receive(messages))
        return {"seconds": time.perf_counter() - began, "losses": [losses[user][-1] for user in users]}

    return dict(simulation(app, work.users, serve))


def _losses(replies: Iterable[Message]) -> dict[int, list[float]]:
    found = {}
    for reply in replies:
        if reply.has_error():
            raise RuntimeError(f"a FlowerTune client failed: {reply.error.reason}")
        metrics = reply.content["metrics"]
        found[int(metrics["user"])] = list(metrics["eval_loss"])
    return found
