"""A run, whatever started it: the cloud prepares, cohorts are sent out, records are kept as they come back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from devices import UnknownName, draw_phones, llm
from sim.cache import cache_dir
from sim.cloud import Cloud
from sim.cohort import Job, Outcome
from sim.config import Config
from sim.dispatch import Dispatcher
from sim.errors import UserError
from sim.manifest import write_manifest
from sim.meter import Meter, Scale, target_loss
from sim.nodes import Nodes
from sim.offers import load_offer, make_offer, offer_folder
from sim.plan import REFERENCE, CohortPlan, cohort_size, plan, with_targets
from sim.records import Recorder, Row
from sim.resident import Resident, make_strategy
from sim.streams import stream
from sim.users import draw_user
from sim.work import Work

TEXT_SAMPLE = 64
"""Users on whose texts the mean tokens of a text are measured."""


class Watcher(Protocol):
    """Who is told how a run goes."""

    def building(self, what: str, done: int, of: int) -> None: ...

    def started(self, jobs: int, users: int) -> None: ...

    def finished(self, job: Job, rows: Mapping[str, Any]) -> None: ...


def check(config: Config) -> None:
    """Everything about a config that can be wrong and can be known without loading a model. Raises UserError."""
    for name in dict.fromkeys([*config.strategies, REFERENCE]):
        make_strategy(name, config)
    try:
        llm(config.llm.deploy)
        llm(config.llm.summarizer_deploy)
    except (UnknownName, OSError, ValueError) as error:
        raise UserError(f"llm.deploy: {error}") from None
    phones = config.population.phones
    try:
        mix = [p.strip() for p in phones.split(",")] if "," in phones else phones
        draw_phones(1, mix, np.random.default_rng(0))
    except ValueError as error:
        raise UserError(f"population.phones: {error}") from None
    for key, value in (("llm.model", config.llm.model), ("llm.summarizer", config.llm.summarizer)):
        looks_local = value.startswith((".", "/", "~")) or value.count("/") > 1
        if value != "pocket" and looks_local and not Path(value).is_dir():
            raise UserError(f"{key}: no model folder {value!r}.")


class Run:
    """One run in its folder."""

    def __init__(self, config: Config, folder: Path, watcher: Watcher) -> None:
        self.config, self.folder, self.watcher = config, folder, watcher
        self.targets: dict[int, float] = {}

    def serve(self, nodes: Nodes) -> None:
        """Do the run on nodes. Raises RunFailed; finished cohorts are kept then."""
        began = time.perf_counter()
        resident = Resident(self.config, progress=self.watcher.building)
        offers = self._offers(resident)
        plans = plan(self.config, {name: str(path) for name, path in offers.items()})
        summarizer = resident.summarizer_architecture if self._judges(resident) else None
        similarity = {name: card.similarity for name, card in resident.pool.cards.items()}
        meter = Meter(self.config, resident.architecture, summarizer, similarity)
        text_tokens = self._text_tokens(resident)
        dispatcher = Dispatcher(
            nodes,
            {"config": self.config.model_dump_json(), "pool": str(resident.pool.folder.resolve())},
            self.config.engine.retries,
            self.config.engine.deadline_s,
        )
        write_manifest(self.folder, self.config, resident, text_tokens)
        with Recorder(self.folder) as recorder:
            recorder.write(self._pool_rows(resident, meter))
            recorder.write(self._cloud_rows(offers, resident, meter))
            self._collect(dispatcher, plans, meter, text_tokens, recorder)
        write_manifest(
            self.folder,
            self.config,
            resident,
            text_tokens,
            wall_s=time.perf_counter() - began,
            workers=len(dispatcher.workers),
            resent=dispatcher.resent,
        )

    # ------------------------------------------------------------ cloud side

    def _offers(self, resident: Resident) -> dict[str, Path]:
        """Every strategy's offer, made now or found."""
        folders = {}
        for name in dict.fromkeys([*self.config.strategies, REFERENCE]):
            strategy = make_strategy(name, self.config)
            made_of = {"llm": resident.lm_digest, "summarizer": self.config.llm.summarizer}
            folder = offer_folder(
                resident.pool.folder, cache_dir() / "offers" / resident.pool.folder.name, strategy, made_of
            )
            if not folder.is_dir():
                self.watcher.building(f"offer of {name}", 0, 1)
            make_offer(folder, strategy, Cloud(resident))
            folders[name] = folder
        return folders

    def _judges(self, resident: Resident) -> bool:
        return self.config.llm.summarizer == "pocket" or "summarizer" in vars(resident)

    def _text_tokens(self, resident: Resident) -> float:
        """Mean measured tokens of a user's text, prompt and answer."""
        users = range(min(TEXT_SAMPLE, self.config.population.users))
        texts = [
            t for i in users for t in draw_user(self.config, resident.corpus, resident.user_styles, i).texts
        ]
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

    def _cloud_rows(self, offers: Mapping[str, Path], resident: Resident, meter: Meter) -> dict[str, list[Row]]:
        cloud: list[Row] = []
        words: list[Row] = []
        for name, folder in offers.items():
            for kind, counts in make_offer(folder, make_strategy(name, self.config), Cloud(resident)).items():
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
            for pllm, explanation in load_offer(folder).explanations.items():
                words += [
                    {"owner": pllm, "strategy": name, "word": w, "coordinate": float(c)}
                    for w, c in explanation.items()
                ]
        return {"cloud": cloud, "words": words}

    # ------------------------------------------------------------ collecting

    def _collect(
        self,
        dispatcher: Dispatcher,
        plans: list[CohortPlan],
        meter: Meter,
        text_tokens: float,
        recorder: Recorder,
    ) -> None:
        """Send the references, then what follows them; price and record everything in order.

        Prices need the mean steps from scratch of the reference users, so rows wait until those are known.
        """
        config = self.config
        followers = {p.reference.index: p.followers for p in plans}
        dispatcher.add([p.reference for p in plans])
        self.watcher.started(sum(1 + len(p.followers) for p in plans), config.population.users)
        needed = min(config.billing.reference_users, config.population.users)
        needed = min(-(-needed // cohort_size(config)) * cohort_size(config), config.population.users)
        scratch_steps: dict[int, int] = {}
        scale: Scale | None = None
        waiting: list[tuple[Job, list[Outcome]]] = []

        def record(job: Job, outcomes: list[Outcome]) -> None:
            assert scale is not None
            rows = meter.rows(job, outcomes, self.targets, scale)
            wanted = job.strategy in config.strategies
            recorder.add(job.index, rows if wanted else {})
            self.watcher.finished(job, rows)

        for job, outcomes in dispatcher:
            if job.index in followers:
                for o in outcomes:
                    self.targets[o.user_id] = target_loss(o.curve, config.training.target_tolerance)
                    if o.user_id < needed:
                        first = next(s for s, v in o.curve if v <= self.targets[o.user_id])
                        scratch_steps[o.user_id] = first
                dispatcher.add(with_targets(followers[job.index], self.targets))
            waiting.append((job, outcomes))
            if scale is None and len(scratch_steps) == needed:
                mean = sum(scratch_steps.values()) / needed
                steps = config.billing.scratch_steps / mean if config.billing.scratch_steps and mean else 1.0
                scale = Scale(steps, text_tokens)
            if scale is not None:
                for done in waiting:
                    record(*done)
                waiting.clear()


def make_folder(config: Config, run_id: str) -> Path:
    """Create OUTPUT/NAME/RUN_ID with the resolved config. Raises UserError where that cannot be written."""
    folder = Path(config.output).expanduser() / config.name / run_id
    try:
        folder.mkdir(parents=True, exist_ok=False)
        (folder / "config.toml").write_text(config.to_toml(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"output: cannot write {str(folder)!r}: {error.strerror or error}.") from error
    return folder


def new_run_id(config: Config) -> str:
    """Time of day and a few random letters, so that two runs never share a folder."""
    rng = stream(time.time_ns() % 2**32, "run id")
    letters = "".join(rng.choice(list("abcdefghjkmnpqrstuvwxyz"), 4))
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{letters}"
