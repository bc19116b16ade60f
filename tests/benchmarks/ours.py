"""Contestants (c) and (d): Headstart itself, as `headstart run` does it; and what can be asked of it alone."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from sim.cloud.cohorts import job_count, worker_count
from sim.cloud.preparation import open_texts
from sim.cloud.run import serve_run
from sim.common.streams import stream
from sim.experiment.config import Config
from sim.llm.training.finetune import finetune
from sim.llm.training.progress import Lane, Plan
from sim.population.users import draw_user
from sim.records.folder import make_folder
from sim.serving.resident import Resident
from sim.transport.nodes import InlineNodes, Nodes
from sim.worker.orders import answer
from tests.benchmarks.workload import Workload


class Clock:
    """A watcher that notes when the first job could be sent, which is when loading is over."""

    began = 0.0

    def remark(self, text: str) -> None:
        pass

    def building(self, what: str, done: int, of: int) -> None:
        pass

    def started(self, jobs: int, users: int) -> None:
        self.began = time.perf_counter()

    def finished(self, job: Any, rows: Mapping[str, Any]) -> None:
        pass


def timed(config: Config, nodes: Nodes, name: str) -> tuple[float, Path]:
    """Do a run; seconds from the first job to the end, and the run's folder."""
    clock, folder = Clock(), make_folder(config, name)
    serve_run(open_texts(config), folder, clock, nodes)
    return time.perf_counter() - clock.began, folder


def twice(config: Config) -> tuple[float, Path]:
    """Do a run on its backend twice, the first time to warm up; seconds and folder of the second."""

    def measure(nodes: Nodes) -> tuple[float, Path]:
        timed(config, nodes, "warm-up")
        return timed(config, nodes, "timed")

    if config.engine.backend == "inline":
        return measure(InlineNodes(answer))
    from sim.client_app import app as client_app
    from sim.transport.grid import FlowerNodes
    from tests.benchmarks.flower import simulation

    workers = worker_count(config, job_count(config), os.cpu_count() or 1)
    timing: tuple[float, Path] = simulation(client_app, workers, lambda grid: measure(FlowerNodes(grid)))
    return timing


def run(work: Workload, output: Path, **engine: Any) -> dict[str, Any]:
    """The workload as an experiment: choice, training, metering, records.

    Cohorts are as many as let every core work.
    """
    cohort = min(32, -(-work.users // (os.cpu_count() or 1)))
    config = work.config(str(output), **{"cohort": cohort, **engine})

    seconds, folder = twice(config)
    users = pd.read_csv(folder / "users.csv")
    assert (users["steps"] == work.steps).all()
    return {"seconds": seconds, "losses": users["final_loss"].tolist()}


def lanes(work: Workload, width: int, least: int, device: str = "cpu") -> dict[str, Any]:
    """Training steps alone, in this process: `width` lanes a batch, for as many users, `least` at least."""
    work = replace(work, users=max(width, least))
    preparation = open_texts(work.config(device=device))
    config, count = preparation.config, work.users
    resident = Resident(config, preparation.corpus)
    users = [draw_user(config, resident.corpus, preparation.user_styles, i) for i in range(count)]
    encoded = [resident.lm.encode(list(u.texts), config.training.max_tokens) for u in users]
    layout = resident.lanes.layout

    def jobs(some: int) -> list[Lane[int]]:
        return [
            Lane(
                key=i,
                start=layout.fresh(stream(config.seed, i, "adapter")),
                texts=encoded[i],
                rng=stream(config.seed, i, "batches"),
                lr=work.lr,
                held_out=[min(encoded[i], key=len)],  # evaluations are not what is timed
            )
            for i in range(some)
        ]

    plan = Plan(steps=work.steps, batch=work.batch, evaluate_every=work.steps, width=width)
    for _ in finetune(resident.lm, resident.lanes, jobs(min(width, 2)), replace(plan, steps=1)):
        pass  # warm-up
    began = time.perf_counter()
    steps = sum(r.steps for r in finetune(resident.lm, resident.lanes, jobs(count), plan))
    return {"seconds": time.perf_counter() - began, "user_steps": steps}


def cost_only(users: int, output: Path, backend: str) -> dict[str, Any]:
    """Users who do everything but train: seconds of all but loading."""
    config = Config.of(
        {
            "name": "cost-only",
            "strategies": ["scratch", "random"],
            "output": str(output),
            "pool": {"size": 28},
            "population": {"users": users},
            "training": {"cost_only": True},
            "engine": {"backend": backend},
        }
    )
    seconds, folder = twice(config)
    with (folder / "users.csv").open() as file:
        rows = sum(1 for _ in file) - 1
    assert rows == 2 * users
    return {"seconds": seconds, "users": users}
