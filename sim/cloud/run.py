"""A run, whatever started it: the cloud prepares, cohorts are sent out, records are kept as they come back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from sim.cloud.cohorts import Wave, job_count, plan
from sim.cloud.collect import Collector, Watcher
from sim.cloud.pools.building import make_pool
from sim.cloud.pools.leaks import Leaks
from sim.cloud.pools.living import LivingPools
from sim.cloud.pools.offers import Offers, make_offers, pool_digest
from sim.cloud.preparation import Preparation
from sim.cloud.provider import Provider
from sim.common.errors import UserError
from sim.common.memory import peak_mib
from sim.corpus import Corpus
from sim.experiment.config import Config
from sim.experiment.names import SCRATCH
from sim.ledger.meter import Meter
from sim.ledger.terms import ENCODER
from sim.messages import Job, Outcome
from sim.pool.offers import load_offer
from sim.pool.pool import Pool
from sim.population.users import draw_user
from sim.privacy.accountant import noise_of
from sim.records.journal import Journal, Note
from sim.records.manifest import workers_done, write_manifest
from sim.records.recorder import Recorder
from sim.records.tables import PLLM, Row, word_rows
from sim.serving.requests import handlers
from sim.transport.dispatch import Dispatcher
from sim.transport.nodes import Nodes

TEXT_SAMPLE = 64
"""Users on whose texts the mean tokens of a text are measured."""


def serve_run(
    preparation: Preparation, folder: Path, watcher: Watcher, nodes: Nodes, shared: Path | None = None
) -> None:
    """Do a run in its folder, on nodes. Raises RunFailed; finished cohorts are kept then.

    Args:
        shared: folder of what the runs of a sweep share (`sim.worker.trained`).
    """
    config = preparation.config
    began, ends = time.perf_counter(), time.monotonic() + config.engine.deadline_s
    for remark in preparation.remarks:
        watcher.remark(remark)
    provider = Provider(preparation, watcher.building)
    text_tokens = _text_tokens(provider)
    pool = make_pool(provider, nodes, watcher.building, ends)
    foreign = pool.remarks(config.llm.model) if config.pool.path else ()
    for remark in foreign:
        watcher.remark(remark)
    living = LivingPools(provider, pool, watcher.building) if config.waves.count > 1 else None
    names = dict.fromkeys([*config.strategies, SCRATCH])
    offers = living.offers if living else make_offers(provider, pool, names, watcher.building)
    meter = _meter(provider, offers, text_tokens)
    first = living.names() if living else ({name: provider.store.put(path) for name, path in offers.folders.items()},)
    orders: dict[str, object] = {
        **provider.orders,
        "pool": provider.store.put(pool.folder),
        "shared": str(shared.resolve()) if shared else "",
        "text_tokens": text_tokens,
        "model": config.llm.model,
    }
    dispatcher: Dispatcher[Job, list[Outcome]] = Dispatcher(
        nodes, orders, config.engine.retries, ends, config.engine.job_deadline_s
    )
    found = {
        "llm": {"source": provider.resident.lm.source, "parameters": provider.resident.lm.parameters},
        "pool": str(pool.folder),
        "regime": str(config.pool.texts),
        "texts": {"owner": config.owner_texts, "user": config.population.texts},
        "mean_text_tokens": text_tokens,
        **({"noise_multiplier": noise_of(config.privacy)} if config.privacy.epsilon else {}),
        "remarks": (*preparation.remarks, *foreign),
    }
    with Journal(folder) as journal:
        write_manifest(folder, config, **found)
        identity = _identity(provider, pool)
        if _is_new(journal, identity):
            with Recorder(folder, of=config.of_rows) as recorder:
                recorder.write({"pool": _pool_rows(pool, meter, provider.resident.corpus)})
                recorder.write(_cloud_rows(offers, meter))
                if living:
                    recorder.write({"versions": living.rows(0, meter)["versions"]})
            journal.append(identity)
        between: list[float] = []
        later = _later(config, living, meter, journal, between) if living else ()
        waves = chain([Wave(0, plan(config, *first))], later)
        heard = (living.note, Leaks(provider, journal).rows) if living else ()
        Collector(config, waves, meter, journal, *heard).collect(dispatcher, watcher)
        write_manifest(
            folder,
            config,
            **found,
            wall_s=time.perf_counter() - began,
            driver_peak_mib=peak_mib(),
            workers=workers_done(dispatcher.workers),
            between_waves_s=between,
            resent=dispatcher.resent,
            jobs_kept_from_before=journal.complete,
        )


def _later(config: Config, living: LivingPools, meter: Meter, journal: Journal, between: list[float]) -> Iterator[Wave]:
    """The waves after the first, each made when the one before is done; `between` gets the seconds that took."""
    for wave in range(1, config.waves.count):
        began = time.perf_counter()
        living.grow(journal, wave - 1)
        between.append(time.perf_counter() - began)
        yield Wave(job_count(config, wave), plan(config, *living.names(), wave), living.rows(wave, meter))


def _text_tokens(provider: Provider) -> float:
    """Mean measured tokens of a user's text, prompt and answer."""
    config, corpus, styles = provider.config, provider.resident.corpus, provider.preparation.user_styles
    users = range(min(TEXT_SAMPLE, config.population.users))
    texts = [t for i in users for t in draw_user(config, corpus, styles, i).texts]
    return float(np.mean([len(e) for e in provider.resident.lm.encode(texts, config.training.max_tokens)]))


def _meter(provider: Provider, offers: Offers, text_tokens: float) -> Meter:
    """The run's meter. The summarizer's sizes are known where it is run; a large one is not loaded for nothing."""
    resident = provider.resident
    asked = any("summarizer" in by_llm for cost in offers.costs.values() for by_llm in cost.by_llm)
    later = provider.config.waves.count > 1  # the first pool may be empty, and nothing asked yet
    runs = asked or later or provider.config.llm.summarizer == "pocket"
    llms = {
        "base": resident.architecture,
        "summarizer": resident.summarizer_architecture if runs else None,
        "encoder": ENCODER,
    }
    return Meter(provider.config, llms, handlers(), text_tokens)


# ---------------------------------------------------------------- going on with an interrupted run


def _identity(provider: Provider, pool: Pool) -> dict[str, str | int]:
    """What must be the same for rows to belong to one run."""
    return {
        "config": provider.config.digest(),
        "llm": provider.resident.lm_digest[:16],
        "pool": pool_digest(provider, pool),
        "jobs": job_count(provider.config),
    }


def _is_new(journal: Journal, identity: Note) -> bool:
    """Whether nothing of the run is there. Raises UserError where what is there is another run's."""
    if journal.identity is None:
        return True
    for key, now in identity.items():
        if (then := journal.identity.get(key)) != now:
            raise UserError(f"{journal.folder}: cannot go on, its {key} was {then} and is now {now}.")
    return False


# ---------------------------------------------------------------- the cloud's own records


def _pool_rows(pool: Pool, meter: Meter, corpus: Corpus) -> list[Row]:
    return [
        {
            "pllm": card.id,
            "style": card.style,
            "taught": corpus.styles[card.style].taught,
            "similarity": card.similarity,
            "texts": card.texts,
            "steps": card.steps,
            "trained": card.trained,
            "validation_loss": card.validation_loss,
            "loss": card.loss,
            "bytes": meter.terms.pllm_bytes,
        }
        for card in pool.cards.values()
    ]


def _cloud_rows(offers: Offers, meter: Meter) -> dict[str, list[Row]]:
    cloud: list[Row] = []
    words: list[Row] = []
    for name, folder in offers.folders.items():
        cloud += meter.offer_rows(name, offers.costs[name])
        offer = load_offer(folder)
        for pllm, explanation in offer.explanations.items():
            words += word_rows(PLLM, pllm, name, explanation, offer.coordinates.get(pllm, {}))
    return {"cloud": cloud, "words": words}
