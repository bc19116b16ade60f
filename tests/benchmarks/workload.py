"""What every contestant does: the same users, texts, batches, steps and evaluations on the same LLM."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from devices import Llm, Lora, flops
from sim.common.cache import built, cache_dir, digest
from sim.common.streams import stream
from sim.corpus import open_corpus
from sim.experiment.config import Config
from sim.llm.adapters.lora import Lora as LoraKind
from sim.llm.chat import Template
from sim.llm.model import Encoded
from sim.llm.training.finetune import epochs
from sim.llm.training.progress import set_aside
from sim.population.users import User, draw_user, possible_styles
from strategies.base import Text

POCKET = "pocket"
SHAPES: Mapping[str, Mapping[str, int]] = {
    "12m": {
        "vocab_size": 4096,
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 6,
        "num_key_value_heads": 6,
        "intermediate_size": 1024,
    },
    "135m": {  # that of SmolLM2-135M
        "vocab_size": 49_152,
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
    },
    "360m": {  # that of SmolLM2-360M
        "vocab_size": 49_152,
        "hidden_size": 960,
        "num_hidden_layers": 32,
        "num_attention_heads": 15,
        "num_key_value_heads": 5,
        "intermediate_size": 2560,
    },
}
"""Llamas of random weights: speed does not depend on what the weights are."""


@dataclass(frozen=True)
class Workload:
    """Users who fine-tune from scratch on the persona corpus.

    `llm`: 'pocket', a name in SHAPES, or a model folder. Every user takes all `steps` steps, without early end.
    """

    llm: str
    users: int
    steps: int
    texts: int = 48
    held_out: int = 12
    evaluate_every: int = 5
    batch: int = 2
    lr: float = 5e-3

    def config(self, output: str = "results", **engine: Any) -> Config:
        """The same as an experiment of Headstart: from scratch, no pool, every user to the last step."""
        return Config.of(
            {
                "name": "bench",
                "strategies": ["scratch"],
                "output": output,
                "llm": {"model": str(self.folder) if self.llm != POCKET else POCKET},
                "pool": {"size": 0},
                "population": {"users": self.users, "texts": self.texts, "held_out": self.held_out},
                "training": {
                    "steps": self.steps,
                    "evaluate_every": self.evaluate_every,
                    "batch": self.batch,
                    "lr": self.lr,
                    "patience": 0,
                },
                "ladder": {"users": 0},
                "engine": engine,
            }
        )

    @cached_property
    def folder(self) -> Path:
        """The folder of the LLM; of those in SHAPES one made once and cached."""
        from sim.pocket import DATA

        if self.llm == POCKET:
            return DATA / "base"
        if self.llm not in SHAPES:
            return Path(self.llm)
        shape = SHAPES[self.llm]
        made_of = digest({"shape": shape, "tokenizer": (DATA / "base" / "tokenizer.json").read_text(encoding="utf-8")})
        return built(cache_dir() / "bench" / made_of, lambda into: _random_llama(into, shape, DATA / "base"))

    @cached_property
    def _drawn(self) -> list[User]:
        config = self.config()
        corpus = open_corpus(config.corpus)
        styles = possible_styles(config, corpus)
        return [draw_user(config, corpus, styles, i) for i in range(self.users)]

    def user(self, user_id: int) -> User:
        return self._drawn[user_id]

    # ------------------------------------------------------------ what every contestant must do alike

    def order(self, user_id: int) -> list[int]:
        """Places of a user's texts in the order of training, `batch` a step; none of those set aside for validation."""
        rng = stream(self.config().seed, user_id, "batches")
        trained, _ = set_aside(range(self.texts))
        batches: Iterator[np.ndarray] = islice(epochs(rng, len(trained), self.batch), self.steps)
        return [int(i) for batch in batches for i in batch]

    def fresh(self, model: Any, user_id: int) -> dict[str, Tensor]:
        """PEFT's tensors of the adapter that a user begins with. `model`: the plain base LLM."""
        training = self.config().training
        layout = LoraKind(training.rank, training.alpha).on(model)
        return layout.state_dict(layout.fresh(stream(self.config().seed, user_id, "adapter")))

    def save_texts(self, folder: Path) -> None:
        """Write every user's texts as `N.json`, as a client would find its data."""
        for user in self._drawn:
            content = {part: [asdict(t) for t in getattr(user, part)] for part in ("texts", "held_out")}
            (folder / f"{user.id}.json").write_text(json.dumps(content), encoding="utf-8")

    def size(self) -> dict[str, Any]:
        """Parameters of the LLM, and the FLOPs that the work needs by the formulas of `devices`.

        `flops` is of real tokens, without padding; `step_flops` a user's mean training step.
        """
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        shape = Llm.from_config(json.loads((self.folder / "config.json").read_text()))
        evaluating = training = 0.0
        for user in self._drawn:
            own, held_out = (encode(tokenizer, t, self.config()) for t in (user.texts, user.held_out))
            lengths = np.array([len(own[i]) for i in self.order(user.id)]).reshape(self.steps, self.batch).sum(1)
            lora = Lora(self.config().training.rank, "all-linear")
            training += float(lora.step_flops(shape, lengths, lengths / self.batch).sum())
            tokens, answers = sum(map(len, held_out)), sum(e.answer_tokens for e in held_out)
            evaluations = -(-self.steps // self.evaluate_every) + 1
            evaluating += evaluations * float(flops.forward(shape, tokens, tokens / len(held_out), answers))
        step = training / (self.users * self.steps)
        return {"parameters": shape.parameters, "flops": training + evaluating, "step_flops": step}


def encode(tokenizer: Any, texts: list[Text], config: Config) -> list[Encoded]:
    """Tokenise texts as every contestant does: chat template, prompts cut to half of `max_tokens`."""
    template, longest = Template.of(tokenizer), config.training.max_tokens
    out = []
    for text in texts:
        asked = f"{template.before}{text.prompt}{template.between}"
        prompt = tokenizer(asked, add_special_tokens=False)["input_ids"][-(longest // 2) :]
        answer = tokenizer(text.answer + template.after, add_special_tokens=False)["input_ids"]
        out.append(Encoded(np.array((prompt + answer)[:longest], dtype=np.int32), len(prompt)))
    return out


def _random_llama(folder: Path, shape: Mapping[str, int], tokenizer: Path) -> None:
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    words = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)
    torch.manual_seed(0)
    config = LlamaConfig(
        **shape,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    words.save_pretrained(folder)
