"""One experiment: TOML in, checked, hashed, saved with the results. Its keys are in `sim/experiment/keys.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import tomli_w
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sim.common.cache import digest
from sim.common.errors import UserError, nearest
from sim.experiment.keys import Keys
from sim.experiment.paths import PathKey, there
from sim.experiment.reading import Tree, parse_override, read_toml, set_key, short
from sim.experiment.sections import (
    Attackers,
    Privacy,
    Waves,
)

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


class Config(Keys):
    """An experiment. `Config.load` reads TOML and overrides; `config.toml` in the results is `to_toml`."""

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
