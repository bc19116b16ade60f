"""A run, whatever started it: the cloud prepares, cohorts are sent out, records are kept as they come back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.cloud.building import make_pool
from sim.cloud.cohorts import job_count, plan
from sim.cloud.collect import Collector, Watcher
from sim.common.errors import UserError
from sim.common.memory import peak_mib
from sim.experiment.config import Config
from sim.experiment.names import SCRATCH
from sim.ledger.meter import Meter
from sim.ledger.work import Work
from sim.messages import Job
from sim.pool.offers import Costs, load_offer, make_offers
from sim.population.users import draw_user
from sim.records.journal import Journal
from sim.records.manifest import workers_done, write_manifest
from sim.records.recorder import Recorder
from sim.records.tables import Row, word_rows
from sim.serving.resident import Resident
from sim.transport.dispatch import Dispatcher
from sim.transport.nodes import Nodes

TEXT_SAMPLE = 64
"""Users on whose texts the mean tokens of a text are measured."""
PHONE_SAMPLE = 4096
"""Draws that show which phones a mix holds."""


class Run:
    """One run in its folder; `shared` is that of what runs of a sweep share (`sim.worker.scratch`)."""

    def __init__(self, config: Config, folder: Path, watcher: Watcher, shared: Path | None = None) -> None:
        self.config, self.folder, self.watcher, self.shared = config, folder, watcher, shared

    def serve(self, nodes: Nodes) -> None:
        """Do the run on nodes. Raises RunFailed; finished cohorts are kept then."""
        began, ends = time.perf_counter(), time.monotonic() + self.config.engine.deadline_s
        resident = Resident(self.config, self.watcher.building)
        text_tokens = self._text_tokens(resident)  # refuses too few texts before anything is built
        make_pool(resident, nodes, self.watcher.building, ends)
        names = dict.fromkeys([*self.config.strategies, SCRATCH])
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
