"""One experiment as one typed tree. TOML in, checked, saved with the results.

The defaults are the quickstart. Every key is described here, once; `docs/config.md` is made from it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sim.cache import digest
from sim.errors import UserError, nearest


def _as_list(value: Any) -> Any:
    """Lists may come as JSON or comma-separated strings, since Flower's run config knows no lists."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value]
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return [part.strip() for part in value.split(",") if part.strip()]


Names = Annotated[list[str], BeforeValidator(_as_list)]
Mix = Annotated[str, BeforeValidator(lambda v: ",".join(map(str, v)) if isinstance(v, list) else v)]
Count = Annotated[int, Field(ge=1)]
ALWAYS, DAILY = "always", "daily"
"""`population.availability` without a trace file."""
Shares = Annotated[list[Annotated[float, Field(gt=0, le=1)]], BeforeValidator(_as_list)]


class Section(BaseModel):
    # Numbers may name styles: corpus.default=0 reads as the style "0". No key has a use for infinity.
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), coerce_numbers_to_str=True, allow_inf_nan=False
    )


class Llm(Section):
    model: str = Field("pocket", description="LLM that is trained: 'pocket', a hub name or a folder")
    summarizer: str = Field("pocket", description="LLM that names styles: 'pocket', a hub name or a folder")
    deploy: str = Field("llama-3.2-1b", description="LLM whose cost the phone is billed; only its architecture counts")
    summarizer_deploy: str = Field("llama-3.1-8b", description="summarizer whose cost is billed")


class CorpusSection(Section):
    source: Literal["persona", "xpert", "jsonl", "hf"] = Field("persona", description="where text comes from")
    path: str = Field("", description="folder, file or dataset name; unused for 'persona'")
    default: str = Field("0", description="the style that the base LLM writes; unused for 'persona'")
    styles: Names = Field([], description="use only these styles; empty: all")
    prompt: str = Field("prompt", description="column of prompts (jsonl, hf)")
    answer: str = Field("answer", description="column of answers (jsonl, hf)")
    style: str = Field("style", description="column of style names (jsonl, hf)")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of prompts held out (jsonl, hf)")


class PoolSection(Section):
    size: Annotated[int, Field(ge=0, le=10_000)] | Literal["auto"] = Field(
        "auto", description="number of pLLMs, dealt out over the styles in turn; 'auto': one a style"
    )
    similarity: float = Field(0.8, ge=0, le=1, description="share of style text in a pLLM's data; the rest is default")
    texts: int = Field(400, ge=1, description="texts that a pLLM was fine-tuned on")
    steps: int = Field(400, ge=1, description="steps that a pLLM was fine-tuned for")
    batch: int = Field(4, ge=1, description="texts a step of a pLLM's fine-tuning")
    lr: float = Field(3e-3, gt=0, description="learning rate of a pLLM's fine-tuning")
    seed: int = Field(0, ge=0, description="decides the pool's texts and training, apart from the users' seed")
    ship: Literal["adapter", "model"] = Field("adapter", description="what a phone downloads for a pLLM")
    path: str = Field("", description="an existing pool folder; empty: built, and cached by content")


class Population(Section):
    users: int = Field(60, ge=1, le=10_000_000, description="number of users")
    texts: int = Field(48, ge=1, description="texts that a user has written")
    held_out: int = Field(12, ge=1, description="further texts on which a user's loss is measured")
    styles: Names = Field([], description="styles that users have; empty: those of the pool")
    styles_per_user: int = Field(1, ge=1, le=10, description="styles that a user mixes")
    phones: Mix = Field("market", description="'market', 'tier:NAME', a phone, or a list of phones")
    phone_file: str = Field("", description="CSV of own phones that join or replace the built-in (docs/devices.md)")
    network: str = Field("market", description="'market', or an access type: 'wifi', '4g', '5g'")
    availability: str = Field(
        ALWAYS, description="when phones may work: 'always', 'daily' (charging at night) or a trace file"
    )


class Training(Section):
    rank: int = Field(8, ge=1, le=1024, description="LoRA rank")
    alpha: float = Field(16.0, gt=0, description="LoRA alpha; the update is scaled by alpha / rank")
    targets: Names = Field(["all-linear"], description="adapted layers, by the last part of their names")
    lr: float = Field(5e-3, gt=0, description="learning rate of AdamW")
    weight_decay: float = Field(0.0, ge=0, description="weight decay of AdamW")
    max_grad_norm: float = Field(1.0, ge=0, description="gradient clipping per user; 0: none")
    batch: int = Field(2, ge=1, description="texts a step")
    steps: int = Field(60, ge=1, description="budget of steps")
    evaluate_every: int = Field(5, ge=1, description="steps between evaluations on held-out texts")
    patience: int = Field(3, ge=0, description="evaluations without a new best after which a user stops; 0: never")
    max_tokens: int = Field(128, ge=8, description="texts are cut to this many tokens")
    target_tolerance: float = Field(0.01, ge=0, description="the target is the best loss from scratch, plus this share")
    stop_at_target: bool = Field(True, description="end a user's fine-tuning when the target is reached")
    cost_only: bool = Field(
        False, description="train nobody: bill everyone billing.scratch_steps steps; losses and steps stay empty"
    )


class Ladder(Section):
    amounts: Shares = Field([0.25, 0.5, 0.75, 1.0], description="shares of a user's texts, for data efficiency")
    users: int = Field(8, ge=0, description="users that climb the ladder (the first ones); 0: none")


class Billing(Section):
    scratch_steps: float = Field(
        1000, ge=0, description="steps of the deployed LLM from scratch; 0: bill measured steps"
    )
    tokens_per_step: float = Field(98, ge=0, description="tokens a step of the deployed LLM; 0: measured tokens")
    tokens_per_text: float = Field(98, ge=0, description="tokens a text (prompt and answer) has for it; 0: measured")
    precision: Literal["fp32", "fp16", "int8", "int4"] = Field("int4", description="weights of the deployed LLM")
    backend: str = Field("cpu_tuned", description="software on the phone (docs/devices.md)")
    reference_users: int = Field(64, ge=1, description="users whose measured steps from scratch set the scale of steps")


class Engine(Section):
    backend: Literal["flower", "inline"] = Field("flower", description="Flower on Ray, or this process")
    workers: Count | Literal["auto"] = Field("auto", description="worker processes; 'auto': one a core")
    cohort: Count | Literal["auto"] = Field(
        "auto", description="users simulated together; decides batches, not who is when"
    )
    lanes: int = Field(4, ge=1, le=4096, description="users in one training batch")
    address: str = Field("local", description="Ray: 'local', 'auto' or host:port of an existing cluster")
    device: str = Field("cpu", description="torch device of the workers")
    deadline_s: float = Field(86_400, gt=0, description="a run that takes longer ends with an error")
    retries: int = Field(3, ge=0, description="times that a lost cohort is sent again")


ELSEWHERE = {"backend", "workers", "address", "deadline_s", "retries"}
"""Keys of `engine` that say where and how long, and change no record."""


class Config(Section):
    """An experiment. `Config.load` reads TOML and overrides; `config.toml` in the results is `to_toml`."""

    name: str = Field(
        "quickstart", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$", description="results land in OUTPUT/NAME/RUN_ID"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="decides everything that is random")
    strategies: Names = Field(["scratch", "random", "oracle", "xpert"], min_length=1, description="what is compared")
    output: str = Field("results", description="folder of results")
    llm: Llm = Llm()
    corpus: CorpusSection = CorpusSection()
    pool: PoolSection = PoolSection()
    population: Population = Population()
    training: Training = Training()
    ladder: Ladder = Ladder()
    billing: Billing = Billing()
    engine: Engine = Engine()
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="a strategy's settings; `use` makes a variant of another strategy"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if self.corpus.source != "persona" and not self.corpus.path:
            raise ValueError(f"corpus.path: empty, but corpus.source = {self.corpus.source!r} needs a path")
        fewest = round(min(self.ladder.amounts, default=1) * self.population.texts)
        if self.ladder.users and fewest < 1:
            raise ValueError(
                f"ladder.amounts: {min(self.ladder.amounts)} of population.texts = {self.population.texts} "
                "is no text at all; raise one of them"
            )
        if self.training.cost_only:
            for key in ("scratch_steps", "tokens_per_step"):
                if not getattr(self.billing, key):
                    raise ValueError(
                        f"billing.{key} = 0: with training.cost_only = true nothing is measured, so it must be stated"
                    )
        if repeated := {s for s in self.strategies if self.strategies.count(s) > 1}:
            raise ValueError(f"strategies: {sorted(repeated)[0]!r} is named twice")
        return self

    @classmethod
    def load(cls, path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
        """Read a TOML file (None: the quickstart) and apply `key=value` overrides.

        Raises: UserError, one line that names the key, the value and what is allowed.
        """
        tree: dict[str, Any] = {}
        if path is not None:
            try:
                tree = tomllib.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                raise UserError(f"config: no file {str(path)!r}.") from None
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise UserError(f"config: {path}: {error}.") from error
            tree.pop("sweep", None)
        for override in overrides:
            key, value = parse_override(override)
            set_key(tree, key, value)
        return cls.of(tree)

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Config:
        """Check a tree of plain values. Raises UserError."""
        check_keys(cls, tree)
        try:
            return cls.model_validate(dict(tree))
        except ValidationError as error:
            raise UserError(_one_line(error)) from None

    def anchored(self, root: Path) -> Config:
        """The same config with relative paths made absolute, so that workers anywhere on this machine agree."""

        def fixed(value: str) -> str:
            path = root / Path(value).expanduser()
            return str(path.resolve()) if value and path.exists() else value

        llm = {k: v if v == "pocket" else fixed(v) for k, v in self.llm.model_dump().items()}
        own = {"phone_file": fixed(self.population.phone_file)}
        if self.population.availability not in (ALWAYS, DAILY):
            own["availability"] = fixed(self.population.availability)
        return self.model_copy(
            update={
                "output": str((root / Path(self.output).expanduser()).resolve()),
                "llm": Llm(**llm),
                "corpus": self.corpus.model_copy(update={"path": fixed(self.corpus.path)}),
                "pool": self.pool.model_copy(update={"path": fixed(self.pool.path)}),
                "population": self.population.model_copy(update=own),
            }
        )

    def digest(self) -> str:
        """A hash of all that the records depend on: not of where results go, nor of who does the work."""
        validated = type(self).model_validate(self.model_dump())  # a default 1000 becomes the 1000.0 that it is in TOML
        return digest(validated.model_dump(exclude={"name": True, "output": True, "engine": ELSEWHERE}))

    def to_toml(self) -> str:
        return tomli_w.dumps(self.model_dump())


def parse_override(text: str) -> tuple[str, Any]:
    """Split `key=value`; the value is TOML where it parses as such, else a plain string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"override {text!r}: expected key=value, for example population.users=100.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def set_key(tree: dict[str, Any], dotted: str, value: Any) -> None:
    """Set a.b.c in nested dictionaries."""
    *path, last = dotted.split(".")
    for part in path:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise UserError(f"{dotted}: {part!r} is a value, not a section.")
    tree[last] = value


def check_keys(model: type[BaseModel], tree: Mapping[str, Any], prefix: str = "") -> None:
    """Reject unknown keys with the nearest valid name."""
    for key, value in tree.items():
        field = model.model_fields.get(key)
        if field is None:
            raise UserError(f"{prefix}{key}: unknown key.{nearest(key, model.model_fields)}")
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            if not isinstance(value, Mapping):
                raise UserError(f"{prefix}{key}: a section with keys {', '.join(section.model_fields)} is expected.")
            check_keys(section, value, f"{prefix}{key}.")


def _one_line(error: ValidationError) -> str:
    errors = error.errors()
    first, where = errors[0], _where(errors[0])
    if first["type"] == "value_error":
        return f"{first['msg'].removeprefix('Value error, ')}."
    # a value that may be of two kinds has one error for each
    reasons = [e["msg"][0].lower() + e["msg"][1:] for e in errors if _where(e) == where]
    return f"{where} = {first['input']!r}: {', or '.join(reasons)}."


def _where(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"] if part not in ("int", "constrained-int", "literal['auto']"))
