"""One experiment as one typed tree. TOML in, checked, saved with the results.

The defaults are the quickstart. The sections' keys are in `sim/experiment/sections.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from sim.common.cache import digest
from sim.common.errors import UserError, nearest
from sim.common.names import has_controls
from sim.experiment.names import ORACLE, SCRATCH
from sim.experiment.paths import PathKey, there
from sim.experiment.reading import Tree, parse_override, read_toml, set_key, short
from sim.experiment.sections import (
    BUILT_IN,
    REGIMES,
    Attackers,
    Billing,
    CorpusSection,
    Engine,
    Ladder,
    LlmSection,
    Names,
    PoolSection,
    Population,
    Privacy,
    Records,
    Section,
    Training,
    Waves,
)

QUICKSTART = "quickstart"
ELSEWHERE = {"backend", "workers", "address", "deadline_s", "job_deadline_s", "retries", "keep_going", "store"}
"""Keys of `engine` that say where and how long, and change no record."""
NO_RECORD: dict[str, bool | set[str]] = {
    "name": True,
    "output": True,
    "replicates": True,
    "engine": ELSEWHERE,
    "records": True,
}
"""Keys that change no record. A replicate is a run like any other: its seeds say which one it is."""
ADDED = (
    *("replicates", "training.adapter", "training.warm_lr", "pool.evaluate_every", "pool.patience"),
    *("billing.runtime", "engine.job_deadline_s", "training.scored_answers", "corpus.people"),
    *("waves", "attackers", "privacy", "records", "records.format"),
)
"""Keys, or whole sections, that runs on people's disks may lack, for they are younger: read, they have their defaults.
Runs of 0.1.0, which have none of them, trained pLLMs to the last of their steps."""

YOUNGER = (
    *("training.scored_answers", "corpus.people"),
    *(f"waves.{key}" for key in Waves.model_fields),
    *(f"attackers.{key}" for key in Attackers.model_fields),
    *(f"privacy.{key}" for key in Privacy.model_fields),
)
"""Keys that came between two versions: at their defaults they are no part of a run's hash, so runs keep their names."""

TUNED = {"pool": ("lr",), "training": ("lr", "warm_lr")}
"""Keys, by section, that `headstart tune` finds values for."""


class Config(Section):
    """An experiment. `Config.load` reads TOML and overrides; `config.toml` in the results is `to_toml`."""

    name: str = Field(
        QUICKSTART,
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        max_length=200,
        description="results land in OUTPUT/NAME/RUN_ID; with a corpus other than the built-in one the default is the "
        "name of its file or folder, or corpus.source",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="decides everything that is random")
    replicates: int = Field(
        1,
        ge=1,
        le=1000,
        description="runs that ask the same with further seeds: `headstart sweep` does each, with `seed` and "
        "`pool.seed` one higher than in the one before, and takes their users together (docs/sweeps.md)",
    )
    strategies: Names = Field([SCRATCH, "random", ORACLE, "xpert"], min_length=1, description="what is compared")
    output: Annotated[str, PathKey(made=True, workers="never")] = Field("results", description="folder of results")
    llm: LlmSection = LlmSection()
    corpus: CorpusSection = CorpusSection()
    pool: PoolSection = PoolSection()
    population: Population = Population()
    waves: Waves = Waves()
    attackers: Attackers = Attackers()
    privacy: Privacy = Privacy()
    training: Training = Training()
    ladder: Ladder = Ladder()
    billing: Billing = Billing()
    engine: Engine = Engine()
    records: Records = Records()
    options: dict[str, dict[str, object]] = Field(
        default_factory=dict, description="a strategy's settings; `use` makes a variant of another strategy"
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, tree: Any) -> Any:
        """Results of another corpus are not to land among those of the quickstart."""
        corpus = tree.get("corpus", {}) if isinstance(tree, Mapping) else {}
        if not isinstance(corpus, Mapping) or "name" in tree:
            return tree
        source = str(corpus.get("source", BUILT_IN))
        if source == BUILT_IN:
            return tree
        texts = Path(str(corpus.get("path", ""))).stem or source
        return {**tree, "name": re.sub(r"[^A-Za-z0-9._-]+", "-", texts).strip("-.")[:200] or "corpus"}

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if self.ladder.users and self.fewest_texts < 1:
            raise ValueError(
                f"ladder.amounts: {self._lowest_rung} of population.texts = {self.population.texts} "
                "is no text at all; raise one of them"
            )
        self._check_waves()
        if self.corpus.people and self.population.styles_per_user > 1:
            raise ValueError("corpus.people: a person writes as one; population.styles_per_user must be 1")
        self._check_privacy()
        if self.training.cost_only:
            for key in ("scratch_steps", "tokens_per_step"):
                if not getattr(self.billing, key):
                    raise ValueError(
                        f"billing.{key} = 0: with training.cost_only = true nothing is measured, so it must be stated"
                    )
        for name in self.strategies:
            if not name.strip() or has_controls(name):
                raise ValueError(f"strategies: {short(name)} is no name (empty, or with control characters)")
        if repeated := {s for s in self.strategies if self.strategies.count(s) > 1}:
            raise ValueError(f"strategies: {short(sorted(repeated)[0])} is named twice")
        return self

    def _check_waves(self) -> None:
        """Raise ValueError where users cannot come in waves."""
        count = self.waves.count
        if count > self.population.users:
            raise ValueError(f"waves.count = {count}: there are only population.users = {self.population.users}")
        if count > 1 and self.training.cost_only:
            raise ValueError(f"waves.count = {count}: with training.cost_only = true nobody has anything to contribute")
        if count > 1 and self.population.styles_per_user > 1:
            raise ValueError(
                f"waves.count = {count}: a contributed pLLM has one style; population.styles_per_user must be 1"
            )
        if count == 1 and (share := self.attackers.share):
            raise ValueError(f"attackers.share = {share:g}: with waves.count = 1 nobody gives anything to the pool")

    def _check_privacy(self) -> None:
        """Raise ValueError where there is nothing to be private, or what is asked for is no privacy."""
        privacy, texts = self.privacy, self.population.texts
        for key in ("epsilon", "attack"):
            if (value := getattr(privacy, key)) and self.waves.count == 1:
                raise ValueError(f"privacy.{key} = {value}: with waves.count = 1 nobody uploads anything")
        if privacy.epsilon and privacy.delta >= 1 / texts:
            raise ValueError(
                f"privacy.delta = {privacy.delta:g}: below 1 / population.texts = {1 / texts:g} is expected; who tells "
                "one text of so many is as private"
            )

    def wave(self, number: int) -> range:
        """The users of a wave."""
        users, count = self.population.users, self.waves.count
        return range(number * users // count, (number + 1) * users // count)

    @property
    def fewest_texts(self) -> int:
        """Texts on the lowest rung of the ladder, but for the one without any."""
        return round(self._lowest_rung * self.population.texts)

    @property
    def _lowest_rung(self) -> float:
        return min((amount for amount in self.ladder.amounts if amount), default=1)

    @classmethod
    def load(cls, path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
        """The experiment of a TOML file (None: the defaults), with `key=value` overrides.

        `tuned` at its top names a file of `headstart tune`, whose values count where the file itself states none.

        Raises: UserError, one line that names the key, the value and what is allowed.
        """
        return cls.changed(path, map(parse_override, overrides))

    @classmethod
    def changed(cls, source: Path | Config | None, values: Iterable[tuple[str, object]]) -> Config:
        """The experiment of a source, with other values of some dotted keys. Raises UserError."""
        tree, _ = read_experiment(source)
        for key, value in values:
            set_key(tree, key, value)
        return cls.of(tree)

    @classmethod
    def of_run(cls, path: Path) -> Config:
        """The experiment of the `config.toml` that a run left, which has all keys.

        Raises: UserError where it has not: it was cut off, and its defaults are not what was run.
        """
        tree = read_toml(path)
        config = cls.of(tree)
        if missing := [key for key in _missing(cls, tree) if key not in ADDED]:
            raise UserError(f"config: {path}: {missing[0]} is missing, as all keys are that were cut off or left out.")
        return config

    @classmethod
    def of(cls, tree: Mapping[str, object]) -> Config:
        """The experiment that a tree of plain values describes. Raises UserError."""
        check_keys(cls, tree)
        try:
            return cls.model_validate(dict(tree))
        except ValidationError as error:
            raise UserError(_one_line(error)) from None

    def at(self, key: str) -> object:
        """The value of a dotted key. Raises AttributeError where there is no such key."""
        value: object = self
        for part in key.split("."):
            value = getattr(value, part)
        return value

    @property
    def owner_texts(self) -> int:
        """How many texts the owner of a pLLM has written."""
        texts = self.pool.texts
        return texts if isinstance(texts, int) else REGIMES[texts] * self.population.texts

    def anchored(self, root: Path) -> Config:
        """The same config with relative paths made absolute, so that workers anywhere on this machine agree."""

        def fixed(value: str, key: PathKey) -> str:
            if not key.made and not there(value, root):
                return value
            try:
                return str((root / Path(value).expanduser()).resolve())
            except (OSError, RuntimeError) as error:
                raise UserError(f"config: {short(value)} is no path ({error}).") from None

        return self.with_paths(fixed)

    def digest(self) -> str:
        """A hash of all that the records depend on: not of where results go, nor of who does the work."""
        validated = type(self).model_validate(self.model_dump())  # a default 1000 becomes the 1000.0 that it is in TOML
        tree = validated.model_dump(mode="json", exclude=NO_RECORD)
        for section, key in (name.split(".") for name in YOUNGER):
            if tree[section][key] == getattr(Config(), section).model_dump(mode="json")[key]:
                del tree[section][key]
            if not tree[section]:
                del tree[section]
        return digest(tree)

    @property
    def of_rows(self) -> dict[str, str | int]:
        """The cells by which a row of the records says which run it is of (`sim.records.tables.OF_RUN`)."""
        return {"run": self.digest(), "seed": self.seed}

    def to_toml(self) -> str:
        """All keys as TOML, which `load` reads."""
        return tomli_w.dumps(self.model_dump())


def read_experiment(source: Path | Config | None) -> tuple[Tree, object]:
    """The tree of an experiment's file, with the values of the file that its key `tuned` names, and its table `sweep`.

    Args:
        source: the file; or a config, whose tree it is, without a table; None: the defaults.
    Raises: UserError.
    """
    if not isinstance(source, Path):
        return source.model_dump() if source else {}, {}
    tree = read_toml(path := source)
    axes = tree.pop("sweep", {})
    if (tuned := tree.pop("tuned", None)) is not None:
        tree = _with_tuned(tree, path, tuned)
    return tree, axes


def _with_tuned(tree: Tree, path: Path, tuned: object) -> Tree:
    """A config's tree with what the file `tuned` has for keys that it lacks; a relative path starts at the config's."""
    if not isinstance(tuned, str):
        raise UserError(f"config: {path}: tuned = {short(tuned)}: the path of a file is expected.")
    file = path.parent / Path(tuned).expanduser()
    found = dict(tree)
    for section, values in read_toml(file).items():
        own = tree.get(section, {})
        if section not in TUNED or not isinstance(values, Mapping) or not set(values) <= set(TUNED[section]):
            names = ", ".join(f"{name}.{key}" for name, keys in TUNED.items() for key in keys)
            raise UserError(f"config: {file}: {section!r}: only {names} are expected, as `headstart tune` writes them.")
        if isinstance(own, Mapping):
            found[section] = {**values, **own}
    return found


def check_keys(model: type[BaseModel], tree: Mapping[str, object], prefix: str = "") -> None:
    """Reject unknown keys with the nearest valid name."""
    for key, value in tree.items():
        field = model.model_fields.get(key)
        if field is None:
            raise UserError(f"{prefix}{key:.80}: unknown key.{nearest(key, model.model_fields)}")
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            if not isinstance(value, Mapping):
                raise UserError(f"{prefix}{key}: a section with keys {', '.join(section.model_fields)} is expected.")
            check_keys(section, value, f"{prefix}{key}.")


def _missing(model: type[BaseModel], tree: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """The keys that a tree lacks."""
    for key, field in model.model_fields.items():
        section, inner = field.annotation, tree.get(key)
        if inner is None:
            yield prefix + key
        elif isinstance(section, type) and issubclass(section, BaseModel) and isinstance(inner, Mapping):
            yield from _missing(section, inner, f"{prefix}{key}.")


def _one_line(error: ValidationError) -> str:
    errors = error.errors()
    first, where = errors[0], _where(errors[0])
    if first["type"] == "value_error":
        return f"{first['msg'].removeprefix('Value error, ')}."
    # a value that may be of two kinds has one error for each
    reasons = [e["msg"][0].lower() + e["msg"][1:] for e in errors if _where(e) == where]
    return f"{where:.80} = {short(first['input'])}: {', or '.join(reasons)}."


def _where(error: ErrorDetails) -> str:
    parts = [str(part) for part in error["loc"]]
    return ".".join(p for p in parts if p not in ("int", "constrained-int") and not p.startswith("literal["))
