"""What can be wrong with an experiment and be known without loading an LLM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from devices import BACKENDS, Device, Llm, draw_networks, draw_phones, llm
from sim.cloud.preparation import Preparation, open_texts
from sim.common.errors import UserError, nearest
from sim.common.overlap import missing as overlap_missing
from sim.experiment.config import Config
from sim.experiment.names import SCRATCH
from sim.experiment.paths import there
from sim.experiment.policies import make_policies
from sim.experiment.strategies import STRATEGIES, make_strategy, trains_nobody
from sim.llm.adapters import kind_of
from sim.llm.folders import check_folder
from sim.llm.named import folder_or_name
from sim.population.attacks import attack_of
from sim.population.hours import Hours
from sim.population.phones import known_phones, phone_mix
from sim.privacy.accountant import missing as privacy_missing
from sim.privacy.accountant import noise_of
from sim.records.parquet import check_format
from sim.records.trackers import check_trackers

PHONE_SAMPLE = 4096
"""Draws that show which phones a mix holds."""


def prepare(config: Config) -> Preparation:
    """Check everything about a config that can be known without loading a model; what was opened for it is handed on.

    Raises: UserError.
    """
    if config.replicates > 1:
        raise UserError(
            f"replicates = {config.replicates}: these are {config.replicates} runs, which `headstart sweep` does; "
            "replicates=1 is the first of them alone."
        )
    for name in dict.fromkeys([*config.strategies, SCRATCH]):
        if make_strategy(name, config).trains and config.training.cost_only:
            raise trains_nobody(name)
    make_policies(config)
    attack_of(config)
    names = {*STRATEGIES.known(), *config.strategies}
    for name, settings in config.options.items():
        if name not in names and "use" not in settings:
            raise UserError(f"options.{name}: unknown strategy.{nearest(name, names)}")
    with _naming("llm.deploy"):
        deploy = _that_writes(config.llm.deploy)
    kind_of(config.training)
    check_trackers(config.records.trackers)
    check_format(config.records.format)
    if config.privacy.epsilon:
        if why := privacy_missing():
            raise UserError(f"privacy.epsilon = {config.privacy.epsilon:g}: {why}")
        noise_of(config.privacy)
    if config.training.scored_answers and (why := overlap_missing()):
        raise UserError(f"training.scored_answers = {config.training.scored_answers}: {why}")
    with _naming("training.targets"):
        deploy.targets(config.training.targets)
    with _naming("llm.summarizer_deploy"):
        _that_writes(config.llm.summarizer_deploy)
    population, rng = config.population, np.random.default_rng(0)
    known = known_phones(population)
    Hours(config)
    with _naming("population.phones"):
        phones = draw_phones(PHONE_SAMPLE, phone_mix(population), rng, known)
    with _naming("population.network"):
        draw_networks(1, rng, population.network)
    if (backend := config.billing.backend) not in BACKENDS:
        raise UserError(f"billing.backend = {backend!r}: allowed are {', '.join(BACKENDS)}.")
    with _naming("billing.backend"):
        Device.of([known[p] for p in np.unique(phones)], backend=backend)  # some software is not for every phone
    with _naming("engine.device"):
        torch.zeros(1, device=config.engine.device)
    for key, value in (("llm.model", config.llm.model), ("llm.summarizer", config.llm.summarizer)):
        if value == "pocket":
            continue
        value = folder_or_name(value)
        if there(value) and Path(value).is_dir():
            check_folder(Path(value))
        elif value.startswith((".", "/", "~")) or value.count("/") > 1:
            raise UserError(f"{key}: no model folder {value!r}.")
    return open_texts(config)


def _that_writes(name: str) -> Llm:
    """The architecture of an LLM. Raises ValueError for an encoder."""
    shape = llm(name)
    if not shape.vocab:
        raise ValueError(f"{name!r} is an encoder, which writes no text")
    return shape


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """Make an error in here one line that names the config's key."""
    try:
        yield
    except (ValueError, OSError, RuntimeError, AssertionError) as error:
        raise UserError(f"{key}: {(str(error) or type(error).__name__).splitlines()[0]}") from None
