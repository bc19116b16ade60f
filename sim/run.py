"""A run, whatever started it: the cloud prepares, cohorts are sent out, records are kept as they come back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from devices import BACKENDS, Device, draw_networks, draw_phones, llm
from sim.building import make_pool
from sim.cohort import Job
from sim.collect import Collector, Watcher
from sim.config import ELSEWHERE, Config
from sim.corpus import open_corpus
from sim.dispatch import Dispatcher
from sim.errors import UserError, nearest
from sim.hours import Hours
from sim.journal import Journal, progress
from sim.manifest import workers_done, write_manifest
from sim.memory import peak_mib
from sim.meter import Meter
from sim.nodes import Nodes
from sim.offers import Costs, load_offer, make_offers
from sim.plan import REFERENCE, job_count, plan
from sim.pllms import check_texts
from sim.records import Recorder, Row, word_rows
from sim.registry import known_strategies, make_strategy
from sim.resident import Resident
from sim.streams import stream
from sim.users import draw_user, known_phones, phone_mix, possible_styles
from sim.work import Work

TEXT_SAMPLE = 64
"""Users on whose texts the mean tokens of a text are measured."""
PHONE_SAMPLE = 4096
"""Draws that show which phones a mix holds."""


def check(config: Config) -> None:
    """Everything about a config that can be wrong and can be known without loading a model. Raises UserError."""
    for name in dict.fromkeys([*config.strategies, REFERENCE]):
        make_strategy(name, config)
    names = {*known_strategies(), *config.strategies}
    for name, settings in config.options.items():
        if name not in names and "use" not in settings:
            raise UserError(f"options.{name}: unknown strategy.{nearest(name, names)}")
    with _naming("llm.deploy"):
        deploy = llm(config.llm.deploy)
    with _naming("training.targets"):
        deploy.targets(config.training.targets)
    with _naming("llm.summarizer_deploy"):
        llm(config.llm.summarizer_deploy)
    population, rng = config.population, np.random.default_rng(0)
    known = known_phones(config)
    Hours(config)
    with _naming("population.phones"):
        phones = draw_phones(PHONE_SAMPLE, phone_mix(config), rng, known)
    with _naming("population.network"):
        draw_networks(1, rng, population.network)
    if (backend := config.billing.backend) not in BACKENDS:
        raise UserError(f"billing.backend = {backend!r}: allowed are {', '.join(BACKENDS)}.")
    with _naming("billing.backend"):
        Device.of([known[p] for p in np.unique(phones)], backend=backend)  # some software is not for every phone
    with _naming("engine.device"):
        torch.zeros(1, device=config.engine.device)
    for key, value in (("llm.model", config.llm.model), ("llm.summarizer", config.llm.summarizer)):
        looks_local = value.startswith((".", "/", "~")) or value.count("/") > 1
        if value != "pocket" and looks_local and not Path(value).is_dir():
            raise UserError(f"{key}: no model folder {value!r}.")
    corpus = open_corpus(config.corpus)
    possible_styles(config, corpus)
    check_texts(config, corpus)


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """Make an error in here one line that names the config's key."""
    try:
        yield
    except (ValueError, OSError, RuntimeError, AssertionError) as error:
        raise UserError(f"{key}: {(str(error) or type(error).__name__).splitlines()[0]}") from None


class Run:
    """One run in its folder; `shared` is that of what runs of a sweep share (`sim.shared`)."""

    def __init__(self, config: Config, folder: Path, watcher: Watcher, shared: Path | None = None) -> None:
        self.config, self.folder, self.watcher, self.shared = config, folder, watcher, shared

    def serve(self, nodes: Nodes) -> None:
        """Do the run on nodes. Raises RunFailed; finished cohorts are kept then."""
        began, ends = time.perf_counter(), time.monotonic() + self.config.engine.deadline_s
        resident = Resident(self.config, self.watcher.building)
        text_tokens = self._text_tokens(resident)  # refuses too few texts before anything is built
        make_pool(resident, nodes, self.watcher.building, ends)
        names = dict.fromkeys([*self.config.strategies, REFERENCE])
        offers, costs = make_offers(resident, names, self.watcher.building)
        summarizer = resident.summarizer_architecture if self._judges(costs) else None
        meter = Meter(self.config, resident.architecture, summarizer)
        store = resident.store
        plans = plan(self.config, {name: store.put(path) for name, path in offers.items()})
        dispatcher: Dispatcher[Job] = Dispatcher(
            nodes,
            {
                **resident.orders,
                "pool": store.put(resident.pool.folder),
                "shared": str(self.shared.resolve()) if self.shared else "",
            },
            self.config.engine.retries,
            ends,
        )
        with Journal(self.folder) as journal:
            write_manifest(self.folder, self.config, resident, text_tokens)
            if self._is_new(journal, resident):
                with Recorder(self.folder) as recorder:
                    recorder.write(self._pool_rows(resident, meter))
                    recorder.write(self._cloud_rows(offers, costs, meter))
                journal.append(self._identity(resident))
            Collector(self.config, plans, meter, text_tokens, journal).collect(dispatcher, self.watcher)
            write_manifest(
                self.folder,
                self.config,
                resident,
                text_tokens,
                wall_s=time.perf_counter() - began,
                driver_peak_mib=peak_mib(),
                workers=workers_done(dispatcher.workers),
                resent=dispatcher.resent,
                jobs_kept_from_before=journal.complete,
            )

    # ------------------------------------------------------------ going on with an interrupted run

    def _identity(self, resident: Resident) -> dict[str, Any]:
        """What must be the same for rows to belong to one run."""
        return {
            "config": self.config.digest(),
            "llm": resident.lm_digest[:16],
            "pool": resident.pool_digest,
            "jobs": job_count(self.config),
        }

    def _is_new(self, journal: Journal, resident: Resident) -> bool:
        """Whether nothing of the run is there. Raises UserError where what is there is another run's."""
        if journal.identity is None:
            return True
        for key, now in self._identity(resident).items():
            if (then := journal.identity.get(key)) != now:
                raise UserError(f"{self.folder}: cannot go on, its {key} was {then} and is now {now}.")
        return False

    # ------------------------------------------------------------ cloud side

    def _judges(self, costs: Costs) -> bool:
        """Whether the summarizer is run; a large one is not loaded for nothing."""
        asked = any(work["judge_sequences"] for kinds in costs.values() for work in kinds.values())
        return asked or self.config.llm.summarizer == "pocket"

    def _text_tokens(self, resident: Resident) -> float:
        """Mean measured tokens of a user's text, prompt and answer."""
        users = range(min(TEXT_SAMPLE, self.config.population.users))
        texts = [t for i in users for t in draw_user(self.config, resident.corpus, resident.user_styles, i).texts]
        return float(np.mean([len(e) for e in resident.lm.encode(texts, self.config.training.max_tokens)]))

    def _pool_rows(self, resident: Resident, meter: Meter) -> dict[str, list[Row]]:
        rows: list[Row] = [
            {
                "pllm": card.id,
                "style": card.style,
                "similarity": card.similarity,
                "texts": card.texts,
                "steps": card.steps,
                "loss": card.loss,
                "bytes": meter.pllm_bytes,
            }
            for card in resident.pool.cards.values()
        ]
        return {"pool": rows}

    def _cloud_rows(self, offers: Mapping[str, Path], costs: Costs, meter: Meter) -> dict[str, list[Row]]:
        cloud: list[Row] = []
        words: list[Row] = []
        for name, folder in offers.items():
            for kind, counts in costs[name].items():
                work = Work(**counts)
                tokens = work.evaluate_tokens + work.prefill_tokens + work.decode_tokens
                tokens += work.judge_tokens + work.judge_decode_tokens
                cloud.append(
                    {
                        "strategy": name,
                        "work": kind,
                        "requests": work.requests,
                        "tokens": float(tokens),
                        "flops": meter.cloud_flops(work),
                    }
                )
            offer = load_offer(folder)
            for pllm, explanation in offer.explanations.items():
                words += word_rows(pllm, name, explanation, offer.coordinates.get(pllm, {}))
        return {"cloud": cloud, "words": words}


def make_folder(config: Config, run_id: str) -> Path:
    """Create OUTPUT/NAME/RUN_ID with the resolved config. Raises UserError where that cannot be written."""
    folder = Path(config.output).expanduser() / config.name / run_id
    try:
        folder.mkdir(parents=True, exist_ok=False)
        (folder / "config.toml").write_text(config.to_toml(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"output: cannot write {str(folder)!r}: {error.strerror or error}.") from error
    return folder


def discard_unbegun(folder: Path) -> None:
    """Remove the folder of a run that was refused before it recorded anything."""
    if progress(folder)[0] is None:
        shutil.rmtree(folder, ignore_errors=True)


def reopen_folder(folder: Path, config: Config | None = None, overrides: Sequence[str] = ()) -> Config:
    """The config of a run to go on with: its own, with overrides of what changes no record.

    Args:
        config: what the caller takes the run for. Raises UserError where the run began as something else.
    """
    own = folder / "config.toml"
    if not own.is_file():
        raise UserError(f"{folder}: no run to resume, for it has no config.toml.")
    config = config or Config.load(own, overrides)
    identity, _ = progress(folder)
    began = identity["config"] if identity else Config.load(own).digest()
    if config.digest() != began:
        free = ", ".join(f"engine.{key}" for key in sorted(ELSEWHERE))
        raise UserError(f"{folder}: the config differs from the one this run began with; only {free} may change.")
    return config


def is_finished(folder: Path) -> bool:
    """Whether every job of the run is recorded."""
    identity, complete = progress(folder)
    return identity is not None and complete == identity["jobs"]


def new_run_id(config: Config) -> str:
    """Time of day and a few random letters, so that two runs never share a folder."""
    rng = stream(time.time_ns() % 2**32, "run id")
    letters = "".join(rng.choice(list("abcdefghjkmnpqrstuvwxyz"), 4))
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{letters}"
