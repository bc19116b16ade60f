"""The sections of a config and their keys, each described once; `docs/config.md` is made from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from sim.experiment.paths import PathKey


def _as_list(value: object) -> object:
    """A list, which may come as JSON or as a comma-separated string, since Flower's run config knows no lists."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value]
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return [part.strip() for part in value.split(",") if part.strip()]


Names = Annotated[list[str], BeforeValidator(_as_list)]


def _as_text(value: object) -> object:
    """A comma-separated string, which may come as a list of its parts."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ",".join(value)
    return value


Mix = Annotated[str, BeforeValidator(_as_text)]
Count = Annotated[int, Field(ge=1)]
MOST_PLLMS = 10_000
BUILT_IN = "persona"
"""`corpus.source` of the corpus that needs no file."""
ALWAYS, DAILY = "always", "daily"
"""`population.availability` without a trace file."""
REGIMES = {"peers": 1, "rich": 8}
"""`pool.texts` by name: how often as much as a user an owner of a pLLM has written."""
Shares = Annotated[list[Annotated[float, Field(ge=0, le=1)]], BeforeValidator(_as_list)]
NAMED_LLMS = ("smollm2-135m",)
"""LLMs of the cache that `headstart llm get` puts there; `sim/llm/named` says where they come from."""
File = Annotated[str, PathKey()]
LlmFile = Annotated[str, PathKey(words=("pocket", *NAMED_LLMS), workers="when used")]
ArchitectureFile = Annotated[str, PathKey(workers="never")]


class Section(BaseModel):
    """A part of a config, checked and frozen."""

    # Numbers may name styles: corpus.default=0 reads as the style "0". No key has a use for infinity but a strategy's
    # settings, which keep it on their way to workers and into the hash.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        ser_json_inf_nan="constants",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """What is true is no 1: a key that is no truth value takes none, nor a list of them."""
        wanted = cls.model_fields[info.field_name or ""].annotation
        if wanted is not bool and any(
            isinstance(part, bool) for part in (value if isinstance(value, list) else [value])
        ):
            raise PydanticCustomError("truth_value", "a truth value is no number or text")
        return value

    def with_paths(self, change: Callable[[str, PathKey], str]) -> Self:
        """A copy in which every value that can be a path, in sections of this one too, is what `change` makes of it."""
        update: dict[str, object] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Section):
                update[name] = value.with_paths(change)
            for key in field.metadata:
                if isinstance(key, PathKey) and key.is_path(value):
                    update[name] = change(value, key)
        return self.model_copy(update=update)


class LlmSection(Section):
    """`[llm]`: which LLMs are run, and which are billed."""

    model: LlmFile = Field(
        "pocket",
        description="LLM that is trained: 'pocket', 'smollm2-135m' (`headstart llm get`), a hub name or a folder",
    )
    summarizer: LlmFile = Field("pocket", description="LLM that names styles: as `llm.model`")
    deploy: ArchitectureFile = Field(
        "llama-3.2-1b", description="LLM whose cost the phone is billed; only its architecture counts"
    )
    summarizer_deploy: ArchitectureFile = Field("llama-3.1-8b", description="summarizer whose cost is billed")


class CorpusSection(Section):
    """`[corpus]`: where text comes from. What a key means is for the corpus to say that `source` names."""

    source: str = Field(
        BUILT_IN,
        description="where text comes from: 'persona', 'xpert', 'jsonl', 'hf', 'translators' or your own "
        "(docs/corpora.md)",
    )
    path: File = Field("", description="folder, file or dataset name; unused for 'persona'")
    default: str = Field("0", description="the style that the base LLM writes; unused for 'persona'")
    styles: Names = Field([], description="use only these styles; empty: all")
    prompt: str = Field("prompt", description="column of prompts (jsonl, hf)")
    answer: str = Field("answer", description="column of answers (jsonl, hf)")
    style: str = Field("style", description="column of style names (jsonl, hf)")
    held_out: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="share of prompts held out (jsonl, hf), or of what a person wrote (people)",
    )
    people: File = Field(
        "", description="folder of files, one for each real person: they are the users (docs/corpora.md); empty: none"
    )


class PoolSection(Section):
    """`[pool]`: which pLLMs there are, and how they are made."""

    size: Annotated[int, Field(ge=0, le=MOST_PLLMS)] | Literal["auto"] = Field(
        "auto", description="number of pLLMs, the styles taking turns; 'auto': one for each style"
    )
    similarity: float = Field(0.8, ge=0, le=1, description="share of style text in a pLLM's data; the rest is default")
    texts: Count | Literal["peers", "rich"] = Field(
        "peers",
        description="texts that the owner of a pLLM has written: 'peers': as many as a user (population.texts), "
        "'rich': eight times as many, or a number",
    )
    steps: int = Field(400, ge=1, description="budget of steps of a pLLM's fine-tuning; its best step is kept")
    evaluate_every: int = Field(5, ge=1, description="steps between looks at a pLLM's validation texts")
    patience: int = Field(5, ge=0, description="looks without a new best after which its training ends; 0: never")
    batch: int = Field(4, ge=1, description="texts a step of a pLLM's fine-tuning")
    lr: float = Field(3e-3, gt=0, description="learning rate of a pLLM's fine-tuning")
    seed: int = Field(
        0, ge=0, lt=2**63, description="decides the pool's texts and training, apart from the users' seed"
    )
    ship: Literal["adapter", "model"] = Field("adapter", description="what a phone downloads for a pLLM")
    path: File = Field("", description="an existing pool folder; empty: built, and cached by content")


class Population(Section):
    """`[population]`: who the users are, and what phones and connections they have."""

    users: int = Field(60, ge=1, le=10_000_000, description="number of users")
    texts: int = Field(48, ge=1, description="texts that a user has written")
    held_out: int = Field(12, ge=1, description="further texts on which a user's loss is measured")
    styles: Names = Field([], description="styles that users have; empty: those of the pool")
    styles_per_user: int = Field(1, ge=1, le=10, description="styles that a user mixes")
    phones: Mix = Field("market", description="'market', 'tier:NAME', a phone, or a list of phones")
    phone_file: File = Field("", description="CSV of own phones that join or replace the built-in (docs/devices.md)")
    network: str = Field(
        "market", description="'market', 'wifi', '4g', '5g', or one for all: 'wifi:median', 'wifi:122' (Mbit/s down)"
    )
    availability: Annotated[str, PathKey(words=(ALWAYS, DAILY))] = Field(
        ALWAYS, description="when phones may work: 'always', 'daily' (charging at night) or a trace file"
    )


class Waves(Section):
    """`[waves]`: users come wave after wave, and the pool grows from what they contribute (docs/living_pool.md)."""

    count: int = Field(1, ge=1, le=1000, description="waves that users are dealt out over evenly; 1: all come at once")
    contribute: float = Field(
        0.5, ge=0, le=1, description="share of users who upload the adapter that they made, where waves are several"
    )
    policies: Names = Field(
        [],
        description="what the cloud does with uploaded adapters, one after another: 'reject', 'krum', 'merge', "
        "'medoids', 'chosen', 'freshest' or an import path 'module:Class'; empty: all join the pool",
    )
    keep: int = Field(0, ge=0, le=MOST_PLLMS, description="pLLMs that 'medoids', 'chosen' and 'freshest' keep; 0: all")
    hours: float = Field(
        0,
        ge=0,
        description="hours from one wave to the next, whoever is done by then: what phones give later joins a later "
        "version; 0: a wave begins when all of the one before are done",
    )


class Attackers(Section):
    """`[attackers]`: users who give the pool something else than they should (docs/robustness.md)."""

    share: float = Field(0, ge=0, lt=1, description="share of users who attack, where waves are several; 0: nobody")
    kind: str = Field(
        "flipped",
        description="what they do: 'random' (noise), 'flipped' (the change's sign), 'scaled', 'backdoor', "
        "'mislabelled' or an import path 'module:Class'",
    )
    scale: float = Field(10, gt=0, le=1e6, description="'scaled': how many times the change of the LLM is blown up")
    poisoned: float = Field(0.5, gt=0, le=1, description="'backdoor': share of an attacker's texts with the trigger")


class Privacy(Section):
    """`[privacy]`: what an uploaded adapter may tell of any one text of its user (docs/privacy.md)."""

    epsilon: float = Field(
        0,
        ge=0,
        description="epsilon of differential privacy for each text of who contributes: a second adapter is fine-tuned "
        "with noise and uploaded instead; 0: what the phone made for itself is uploaded",
    )
    delta: float = Field(1e-5, gt=0, lt=1, description="delta of it, far below 1 / population.texts")
    steps: int = Field(10, ge=1, description="steps of the private fine-tuning, which texts may not decide")
    sampling: float = Field(1.0, gt=0, le=1, description="chance of each text to be in a step of it; 1: all are")
    clip: float = Field(0.3, gt=0, description="largest norm of a text's gradient in it")
    lr: float = Field(0, ge=0, description="learning rate of it; 0: as the phone's own fine-tuning")
    attack: bool = Field(
        False, description="measure how well contributed adapters tell their texts from others (leak.csv)"
    )


class Training(Section):
    """`[training]`: how a phone fine-tunes."""

    adapter: str = Field("lora", description="kind of adapter: 'lora', 'ia3', or an import path 'module:Class'")
    rank: int = Field(8, ge=1, le=1024, description="LoRA rank")
    alpha: float = Field(16.0, gt=0, description="LoRA alpha; the update is scaled by alpha / rank")
    targets: Names = Field(["all-linear"], description="adapted layers, by the last part of their names")
    lr: float = Field(5e-3, gt=0, description="learning rate of AdamW, from scratch")
    warm_lr: float = Field(0, ge=0, description="learning rate of a phone that starts from pLLMs; 0: as from scratch")
    weight_decay: float = Field(0.0, ge=0, description="weight decay of AdamW")
    max_grad_norm: float = Field(1.0, ge=0, description="gradient clipping per user; 0: none")
    batch: int = Field(2, ge=1, description="texts a step")
    steps: int = Field(120, ge=1, description="budget of steps")
    evaluate_every: int = Field(5, ge=1, description="steps between evaluations; where the target is met, all between")
    patience: int = Field(
        3, ge=0, description="evaluations without a new best on validation texts after which a user stops; 0: never"
    )
    max_tokens: int = Field(128, ge=8, description="texts are cut to this many tokens")
    target_tolerance: float = Field(0.01, ge=0, description="the target is the best loss from scratch, plus this share")
    stop_at_target: bool = Field(True, description="end a user's fine-tuning when the target is reached")
    scored_answers: int = Field(
        0,
        ge=0,
        description="held-out prompts that each user's kept adapter answers in the end, scored by BLEU and ROUGE "
        "against what the user wrote; 0: none; billed to nobody",
    )
    cost_only: bool = Field(
        False,
        description="train nobody: bill everyone billing.scratch_steps steps; losses and steps stay empty; "
        "strategies that train before they choose (hyperband) are refused",
    )

    def lr_of(self, pllms: int) -> float:
        """The learning rate of fine-tuning that starts from so many pLLMs."""
        return self.warm_lr if pllms and self.warm_lr else self.lr

    @property
    def adapted(self) -> str | list[str]:
        """`targets` as PEFT has them, for which "all-linear" stands alone."""
        return "all-linear" if self.targets == ["all-linear"] else self.targets


class Ladder(Section):
    """`[ladder]`: the same users with less of their texts."""

    amounts: Shares = Field(
        [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0],
        description="shares of a user's texts, for data efficiency; 0: one text to choose by, and none to train on",
    )
    users: int = Field(8, ge=0, description="users that climb the ladder (the first ones); 0: none")


class Billing(Section):
    """`[billing]`: what carries measured work over to the deployed LLM, and how it runs there."""

    scratch_steps: float = Field(
        1000, ge=0, description="steps of the deployed LLM from scratch; 0: bill measured steps"
    )
    tokens_per_step: float = Field(98, ge=0, description="tokens a step of the deployed LLM; 0: measured tokens")
    tokens_per_text: float = Field(98, ge=0, description="tokens a text (prompt and answer) has for it; 0: measured")
    answers_at_once: int = Field(1, ge=1, description="answers that a phone writes side by side when it chooses")
    precision: Literal["fp32", "fp16", "int8", "int4"] = Field(
        "int4", description="weights of the deployed LLM and summarizer"
    )
    ship_precision: Literal["same", "fp32", "fp16", "int8", "int4"] = Field(
        "same", description="weights of a whole model as it is downloaded; 'same': as billing.precision"
    )
    backend: str = Field("cpu_tuned", description="software on the phone (docs/devices.md)")
    runtime: Literal["resident", "mebp"] = Field(
        "resident",
        description="how it holds the LLM in fine-tuning: whole in memory, or layer by layer from flash, which takes "
        "less memory and more time (docs/devices.md)",
    )
    reference_users: int = Field(64, ge=1, description="users whose measured steps from scratch set the scale of steps")


class Engine(Section):
    """`[engine]`: who does the work, and for how long."""

    backend: Literal["flower", "inline"] = Field("flower", description="Flower on Ray, or this process")
    workers: Count | Literal["auto"] = Field(
        "auto", description="worker processes; 'auto': one a core, or one where engine.device is no CPU"
    )
    cohort: Count | Literal["auto"] = Field(
        "auto", description="users simulated together; decides batches and speed, not who has what"
    )
    lanes: int = Field(
        4, ge=1, le=4096, description="users in one training batch; on a CPU 2 for LLMs above 10 M (docs/bench.md)"
    )
    address: str = Field("local", description="Ray: 'local', 'auto' or host:port of an existing cluster")
    device: str = Field("cpu", description="torch device of the workers; off the CPU two runs differ in last digits")
    deadline_s: float = Field(
        86_400,
        gt=0,
        description="a run that takes longer, its pool and offers included, ends with an error; --resume begins anew",
    )
    job_deadline_s: float = Field(
        0,
        ge=0,
        description="a cohort that takes longer hangs: its worker is replaced, and it is sent again; 0: 20 times what "
        "the slowest of its kind has taken, at least 600 s; nothing interrupts the backend 'inline'",
    )
    retries: int = Field(3, ge=0, description="times that a lost cohort is sent again")
    keep_going: bool = Field(False, description="record users whose simulation raises as failed, and go on")
    store: Annotated[str, PathKey(made=True, url=True, workers="never")] = Field(
        "", description="where workers elsewhere fetch LLMs and pools: folder or fsspec URL; '': the cache, as is"
    )


class Records(Section):
    """`[records]`: what a run leaves beside its CSV files, and who is told of it."""

    format: Literal["csv", "csv+parquet"] = Field(
        "csv",
        description="'csv+parquet': when the run is done each table is written as Parquet as well, for many rows "
        "(needs pyarrow: docs/records.md)",
    )
    trackers: Names = Field(
        [],
        description="where progress and summary are sent as well: 'tensorboard', 'mlflow', 'wandb', or an import path "
        "'module:Class' (docs/trackers.md)",
    )
