"""`flwr run` overrides only keys that pyproject.toml lists: it must list every key of an experiment."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sim.experiment.config import Config
from sim.server_app import config_of

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values, as Flower hands them over."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def listed() -> dict[str, Any]:
    return dict(flat(tomllib.loads(PYPROJECT.read_text())["tool"]["flwr"]["app"]["config"]))


def test_every_key_is_listed_and_no_other() -> None:
    assert set(listed()) == {"config", *dict(flat(Config().model_dump(exclude={"options"})))}


def test_listed_values_change_nothing() -> None:
    assert set(listed().values()) == {""}
    assert config_of(listed()) == Config()
