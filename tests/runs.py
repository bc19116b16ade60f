"""What tests of runs share: runs of seconds, what they are made of, and whether two of them left the same."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from sim.cloud.check import prepare
from sim.cloud.pools.building import make_pool
from sim.cloud.pools.offers import make_offer
from sim.cloud.preparation import Preparation, open_texts
from sim.cloud.provider import Provider
from sim.cloud.run import serve_run
from sim.experiment.config import Config
from sim.experiment.strategies import make_strategy
from sim.ledger.terms import Terms
from sim.messages import Job
from sim.pool.pool import Pool
from sim.records.folder import make_folder
from sim.records.journal import RECORDED
from sim.records.tables import WALL_CLOCK
from sim.transport.nodes import InlineNodes, Nodes
from sim.transport.store import Store
from sim.worker.orders import answer
from sim.worker.workplace import Task, Workplace

Command = Callable[..., tuple[int, str, str]]
"""What the fixture `command` is: takes arguments of `headstart`, returns exit status, stdout and stderr."""
TEXT_TOKENS = 30.0
"""About what a text has on the tiny LLM."""
SHORT = """pool.texts=8 pool.steps=2 population.texts=6 population.held_out=2 training.steps=4 training.evaluate_every=2
 training.max_tokens=48 engine.backend=inline""".split()
STRATEGIES = ["scratch", "random", "oracle", "xpert"]
XPERT = "probes = 4, candidates = 6, word_probes = 2, answer_tokens = 4"
FEW = "probes = 2, answer_tokens = 4"
OPTIONS = f"""options={{xpert = {{{XPERT}}}, xpert_early = {{{XPERT}}}, xpert_merge = {{{XPERT}}},
 popular = {{{FEW}}}, retrieval = {{{FEW}}}, embedder = {{{FEW}}}, lexical = {{{FEW}}},
 fallback = {{strategy = "xpert", texts = 2}}, lorahub = {{pllms = 2, trials = 4}}}}""".replace("\n", "")


def small_config(llm: Path, output: Path, *overrides: str) -> Config:
    """Six users in three cohorts, four strategies, a ladder; the tiny LLM, the shipped summarizer (it knows words)."""
    small = f"""name=small output={output} llm.model={llm} pool.size=3 population.users=6 engine.cohort=2
        ladder.users=3 ladder.amounts=[0,0.5,1]"""
    return Config.load(None, [*SHORT, *small.split(), f"strategies={STRATEGIES}", OPTIONS, *overrides])


def tiny_config(llm: Path, output: Path, *overrides: str) -> Config:
    """Three users in one cohort on one kind of phone, no ladder: for strategies."""
    tiny = "name=tiny population.users=3 population.phones=oneplus-12 ladder.users=0 engine.cohort=auto"
    return small_config(llm, output, *tiny.split(), *overrides)


def tiny_overrides(llm: Path, output: Path) -> list[str]:
    """Overrides that make the quickstart a run of about a second, in this process, of LLMs that know nothing."""
    tiny = f"""output={output} strategies=["scratch","random","oracle"] llm.model={llm} llm.summarizer={llm} pool.size=2
        population.users=4 ladder.users=4 ladder.amounts=[0.5,1.0] engine.cohort=2 billing.reference_users=2"""
    return [*SHORT, *tiny.split()]


# ---------------------------------------------------------------- a run, and its parts


class Silent:
    """A watcher that says nothing, and counts jobs."""

    def __init__(self) -> None:
        self.jobs = self.done = 0

    def remark(self, text: str) -> None:
        pass

    def building(self, what: str, done: int, of: int) -> None:
        pass

    def started(self, jobs: int, users: int) -> None:
        self.jobs = jobs

    def finished(self, job: Job, rows: object) -> None:
        self.done += 1


class Inline(InlineNodes):
    """This process as a node."""

    def __init__(self) -> None:
        super().__init__(answer)


def serve(config: Config, folder: Path, nodes: Nodes | None = None, shared: Path | None = None) -> Silent:
    """Do a run in a folder that is there, unchecked but for its texts; returns its watcher."""
    watcher = Silent()
    serve_run(open_texts(config), folder, watcher, nodes or Inline(), shared)
    return watcher


def run(config: Config, name: str = "run") -> dict[str, pd.DataFrame]:
    """Do a run; its tables."""
    folder = make_folder(config, name)
    serve(config, folder)
    return {f.stem: pd.read_csv(f, keep_default_na=False) for f in folder.glob("*.csv")}


def provider_of(preparation: Preparation | Config) -> tuple[Provider, Pool]:
    """The provider of a run, and its pool, built in this process."""
    provider = Provider(prepare(preparation) if isinstance(preparation, Config) else preparation)
    return provider, make_pool(provider, Inline(), lambda *_: None, time.monotonic() + 600)


def workplace_of(config: Config) -> Workplace:
    """A worker of this process."""
    return Workplace(config, Store())


def task_of(provider: Provider, pool: Pool, work: Workplace, job: Job, offer: Path) -> Task:
    """A job with its pool, and its strategy's offer made in a folder."""
    make_offer(offer, make_strategy(job.strategy, provider.config), provider, pool)
    return Task(job, work.resident.open_pool(pool.folder), offer, None, Terms.of(work.config, TEXT_TOKENS))


# ---------------------------------------------------------------- comparing what runs left


def tables(folder: Path) -> dict[str, str]:
    """The CSV files of a run as text, without wall-clock columns."""
    out = {}
    for file in sorted(folder.glob("*.csv")):
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
        out[file.name] = frame.drop(columns=[c for c in WALL_CLOCK if c in frame]).to_csv(index=False)
    return out


def same_tables(left: Path, right: Path, of: str = "one run") -> None:
    """Assert that two runs recorded the same, wall-clock columns apart.

    Args:
        of: "two runs": they were asked differently, so that their rows name two.
    """
    apart = (*WALL_CLOCK, *(["run"] if of == "two runs" else []))
    for table in RECORDED:
        a, b = (folder / f"{table}.csv" for folder in (left, right))
        assert a.is_file() == b.is_file(), table
        if not a.is_file():
            continue
        one, other = (pd.read_csv(p, dtype=str, keep_default_na=False) for p in (a, b))
        drop = [c for c in apart if c in one]
        pd.testing.assert_frame_equal(one.drop(columns=drop), other.drop(columns=drop))
        if not drop:
            assert a.read_bytes() == b.read_bytes(), table


# ---------------------------------------------------------------- processes


def processes(mark: str, within: str = "cmdline") -> list[int]:
    """Ids of processes whose command line (or environment) contains a text, but this one's."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / within).read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descends(pid: int) -> bool:
    """Whether a process was started by this one, at whatever remove: others' workers are not ours to kill."""
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
        if pid == os.getpid():
            return True
    return False
