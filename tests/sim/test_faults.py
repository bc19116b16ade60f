"""Whatever goes wrong in a run, it says so, exits non-zero and can go on; and nothing else is lost or changed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from sim.cloud.check import prepare
from sim.common.errors import RunFailed
from sim.display import Log
from sim.engine import start
from sim.experiment.config import Config
from sim.experiment.shipped import QUICKSTART
from sim.messages import Job
from sim.records.folder import is_finished, make_folder, reopen_folder
from sim.records.journal import progress
from sim.records.tables import FAILED
from sim.worker.cohort import simulate
from sim.worker.failures import UserFailed
from strategies import Download, Evaluate, Start
from strategies.random import Random
from tests.runs import processes, provider_of, same_tables, task_of, tiny_overrides, workplace_of

ROOT = Path(__file__).resolve().parents[2]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc, tmpfs or RLIMIT_FSIZE")


class Broken(Random):
    """Random, but for user 1, for whom it goes wrong in the way that `how` says."""

    def __init__(self, how: str = "no", user: int = 1) -> None:
        self.how, self.user = how, user

    def choose(self, phone: Any, offer: Any) -> Any:
        mine = phone.user_id == self.user
        start = super().choose(phone, offer)
        if mine and self.how == "at once":
            raise ValueError("no such\nluck")
        yield Download(offer.pllms[0])
        if mine and self.how == "later":
            raise KeyError("z")
        yield Evaluate(start, 7 if mine and self.how == "bad request" else phone.texts)
        if mine and self.how == "unknown pLLM":
            return Start({"nobody": 1.0})
        if mine and self.how == "no start":
            return None
        return start


WAYS = {
    "at once": "ValueError: no such luck",
    "later": "KeyError: 'z'",
    "bad request": "TypeError: ",
    "unknown pLLM": "LookupError: a strategy named 'nobody'",
    "no start": "TypeError: a strategy's choose returned None",
}


def broken(tiny_llm: Path, output: Path, how: str, *more: str) -> Config:
    options = f'options.broken={{use="{__name__}:Broken", how="{how}"}}'
    return Config.load(None, [*tiny_overrides(tiny_llm, output), 'strategies=["scratch","broken"]', options, *more])


def finished(config: Config, name: str) -> Path:
    folder = make_folder(config, name)
    start(prepare(config), folder, Log())
    return folder


@pytest.fixture(scope="module")
def unbroken(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return finished(broken(tiny_llm, tmp_path_factory.mktemp("unbroken"), "no"), "run")


def read(folder: Path, table: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{table}.csv", dtype={"fits": str}, keep_default_na=True)


# ---------------------------------------------------------------- a user who raises


@pytest.mark.parametrize("how", WAYS)
def test_keep_going_records_the_user_who_raised_and_everybody_else(
    tiny_llm: Path, tmp_path: Path, unbroken: Path, how: str
) -> None:
    folder = finished(broken(tiny_llm, tmp_path, how, "engine.keep_going=true"), "run")
    for table in ("users", "ladder"):
        rows, whole = read(folder, table), read(unbroken, table)
        ours = (rows["user_id"] == 1) & (rows["strategy"] == "broken")
        assert ours.sum() == ((whole["user_id"] == 1) & (whole["strategy"] == "broken")).sum() > 0
        assert (rows.loc[ours, "fits"] == FAILED).all()
        assert rows.loc[ours, "why"].str.contains(WAYS[how], regex=False).all()
        assert rows.loc[ours, ["start_loss", "steps_to_target", "finetune_s"]].isna().all(axis=None)
        assert rows.loc[ours, ["phone", "style", "texts", "network"]].notna().all(axis=None)
        drop = [c for c in rows if c in ("wall_s", "run")]
        expected = whole.drop(columns=drop)[~ours]
        pd.testing.assert_frame_equal(rows.drop(columns=drop)[~ours], expected, rtol=1e-4, check_dtype=False)
    failures = read(folder, "failures")
    assert set(failures["user_id"]) == {1}
    assert set(failures["strategy"]) == {"broken"}
    assert set(failures["amount"]) == {1.0, 0.5}
    assert failures["traceback"].str.startswith("Traceback").all()


def test_keep_going_where_nobody_trains(tiny_llm: Path, tmp_path: Path) -> None:
    config = broken(tiny_llm, tmp_path, "later", "engine.keep_going=true", "training.cost_only=true")
    rows = read(finished(config, "run"), "users")
    failed = rows["fits"] == FAILED
    assert set(zip(rows.loc[failed, "user_id"], rows.loc[failed, "strategy"], strict=True)) == {(1, "broken")}
    assert rows.loc[failed, "billed_steps"].isna().all()
    assert (rows.loc[~failed, "billed_steps"] == config.billing.scratch_steps).all()


def test_without_keep_going_the_run_ends_with_user_strategy_and_traceback(tiny_llm: Path, tmp_path: Path) -> None:
    config = broken(tiny_llm, tmp_path, "later")
    folder = make_folder(config, "run")
    with pytest.raises(RunFailed) as caught:
        start(prepare(config), folder, Log())
    for part in ("user 1, strategy broken, 100% of the texts: KeyError: 'z'", "test_faults.py", 'raise KeyError("z")'):
        assert part in str(caught.value)
    assert not is_finished(folder)
    start(prepare(reopen_folder(folder, overrides=["engine.keep_going=true"])), folder, Log())
    assert is_finished(folder)
    undisturbed = finished(broken(tiny_llm, tmp_path, "later", "engine.keep_going=true"), "undisturbed")
    same_tables(folder, undisturbed)


def test_a_batch_error_is_traced_to_its_user(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine-tuning is done for all users at once; who is at fault is found by halving."""
    config = broken(tiny_llm, tmp_path, "no", "population.users=6", "engine.cohort=6")
    whole = finished(config, "whole")
    import sim.worker.cohort as cohort

    real = cohort.finetune

    def exploding(lm: Any, lanes: Any, jobs: Any, plan: Any) -> Any:
        if any(lane.key == 4 for lane in jobs):
            raise RuntimeError("out of memory")
        return real(lm, lanes, jobs, plan)

    monkeypatch.setattr(cohort, "finetune", exploding)
    config = broken(tiny_llm, tmp_path, "no", "population.users=6", "engine.cohort=6", "engine.keep_going=true")
    folder = finished(config, "run")
    rows = read(folder, "users")
    assert set(rows.loc[(rows["fits"] == FAILED), "user_id"]) == {4}
    assert set(rows.loc[rows["user_id"] == 4, "why"]) == {
        "RuntimeError: out of memory",
        "LookupError: there is no target loss, for from scratch this user failed",
    }
    others = read(whole, "users").query("user_id != 4")["steps_to_target"]
    assert rows.query("user_id != 4")["steps_to_target"].tolist() == others.tolist()
    with pytest.raises(RunFailed, match=r"user 4, strategy scratch.*out of memory"):
        finished(broken(tiny_llm, tmp_path, "no", "population.users=6", "engine.cohort=6"), "stop")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_what_the_machine_lacks_is_nobody_s_failure(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The batch is not halved until one user is left to be blamed, and no later user fails for it."""
    tried: list[int] = []

    def exploding(lm: Any, lanes: Any, jobs: Any, plan: Any) -> Any:
        tried.append(len(jobs))
        raise error

    monkeypatch.setattr("sim.worker.cohort.finetune", exploding)
    config = broken(tiny_llm, tmp_path, "no", "engine.cohort=4", "engine.keep_going=true")
    folder = make_folder(config, "run")
    with pytest.raises(RunFailed, match=rf"users 0 to 3, strategy scratch.*{type(error).__name__}"):
        start(prepare(config), folder, Log())
    assert tried == [4]
    assert not (folder / "users.csv").exists()


def test_failed_users_are_left_out_of_the_analysis(tiny_llm: Path, tmp_path: Path, unbroken: Path) -> None:
    from sim.analysis.measures import per_user
    from sim.analysis.summary import summarise
    from sim.analysis.tables import load_run

    run = load_run(finished(broken(tiny_llm, tmp_path, "later", "engine.keep_going=true"), "run"))
    metrics, whole = per_user(run), per_user(load_run(unbroken))
    for name, table in metrics.items():
        assert table["broken"].isna()[1], name
        assert (table["broken"].isna().drop(1) == whole[name]["broken"].isna().drop(1)).all(), name
    summarise(run)


# ---------------------------------------------------------------- a full disk


def headstart(*arguments: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, after some Python."""
    code = f"import sys; {before}; from sim.cli import main; sys.argv = ['headstart', *{arguments!r}]; main()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=300)


def resumed_equals(folder: Path, whole: Path) -> None:
    start(prepare(reopen_folder(folder)), folder, Log())
    assert is_finished(folder)
    same_tables(folder, whole)


@pytest.fixture(scope="module")
def plain(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run, whose pool and offers are in the cache afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        config = Config.load(QUICKSTART, tiny_overrides(tiny_llm, tmp_path_factory.mktemp("plain")))
        return finished(config.anchored(ROOT), "run")


@linux
@pytest.mark.parametrize("limit", [2000, 3500])
def test_a_file_that_may_not_grow_ends_the_run_in_one_line_and_it_resumes(
    tiny_llm: Path, tmp_path: Path, plain: Path, limit: int
) -> None:
    before = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))"
    done = headstart("run", *tiny_overrides(tiny_llm, tmp_path), before=before)
    assert done.returncode == 1, done.stderr
    assert "the run failed: no larger file allowed on the disk at /" in done.stderr
    assert "Traceback" not in done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    assert f"headstart run --resume {folder}" in done.stderr
    assert not is_finished(folder)
    resumed_equals(folder, plain)


@linux
@pytest.mark.parametrize("size_kb", [12, 20])
def test_a_full_disk_ends_the_run_in_one_line_and_it_resumes(
    tiny_llm: Path, tmp_path: Path, plain: Path, size_kb: int
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(disk)]
    try:
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("no tmpfs can be mounted here (needs root)")
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    try:
        done = headstart("run", *tiny_overrides(tiny_llm, disk))
        assert done.returncode == 1, done.stderr
        assert f"the run failed: no space left on the disk at {disk.resolve()} (0 MB free)" in done.stderr
        assert "Traceback" not in done.stderr
        folder = Path(done.stdout.splitlines()[-1])
        subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
        resumed_equals(folder, plain)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# ---------------------------------------------------------------- interrupted and killed


def running(tiny_llm: Path, output: Path, *more: str) -> tuple[subprocess.Popen[str], Path]:
    """A slower run in a process of its own, and its folder as soon as it has begun to record."""
    command = [sys.executable, "-m", "sim.cli", "run", "--no-plots", *tiny_overrides(tiny_llm, output), *SLOWER, *more]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored by what a shell runs behind itself
    )
    for _ in range(15_000):
        found = list(output.glob("quickstart/*/progress.jsonl"))
        if (found and progress(found[0].parent)[1] > 0) or process.poll() is not None:
            break
        time.sleep(0.02)
    return process, next(iter(output.glob("quickstart/*")))


SLOWER = ["population.users=32", "training.steps=24", "training.patience=0"]


@pytest.fixture(scope="module")
def slower(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        config = Config.load(QUICKSTART, [*tiny_overrides(tiny_llm, tmp_path_factory.mktemp("slower")), *SLOWER])
        return finished(config.anchored(ROOT), "run")


@linux
@pytest.mark.parametrize("backend", ["inline", pytest.param("flower", marks=pytest.mark.cluster)])
def test_ctrl_c_leaves_a_run_that_resumes_and_says_how(
    tiny_llm: Path, tmp_path: Path, slower: Path, backend: str
) -> None:
    process, folder = running(tiny_llm, tmp_path, f"engine.backend={backend}", "engine.workers=1")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert err.splitlines()[-2:] == [
        "headstart: interrupted",
        f"headstart: go on with: headstart run --resume {folder}",
    ]
    assert "Traceback" not in err
    assert 0 < progress(folder)[1] < progress(slower)[1]
    resumed = reopen_folder(folder, overrides=["engine.backend=inline"])
    start(prepare(resumed), folder, Log())
    same_tables(folder, slower)


@linux
@pytest.mark.parametrize("backend", ["inline", pytest.param("flower", marks=pytest.mark.cluster), "pocket"])
def test_a_sigterm_ends_what_is_built_as_ctrl_c_does(tiny_llm: Path, tmp_path: Path, backend: str) -> None:
    """A pool on workers, a pool in this process, a pocket LLM: nothing half-built stays, and no process."""
    cache = tmp_path / "cache"
    endless = ["pool.steps=1000000", "pool.patience=0", "pool.size=2", "engine.workers=1", f"engine.backend={backend}"]
    arguments = ["pool", "build", *tiny_overrides(tiny_llm, tmp_path), *endless]
    if backend == "pocket":
        arguments = ["pocket", "build", str(tmp_path / "pocket")]
    process = subprocess.Popen(
        [sys.executable, "-m", "sim.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HEADSTART_CACHE": str(cache)},
    )
    assert process.stdout
    begun = next((line for line in process.stdout if "building" in line), "")
    assert begun
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1:]) == (130, ["headstart: interrupted"])
    assert "Traceback" not in err
    left = [path for kind in ("pllms", "pools", "ray") for path in cache.glob(f"{kind}/*") if path.name != "lock"]
    assert left == []
    assert processes(str(cache), "environ") == []


@linux
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("backend", ["inline", pytest.param("flower", marks=pytest.mark.cluster)])
def test_a_driver_killed_at_a_random_moment(
    tiny_llm: Path, tmp_path: Path, slower: Path, backend: str, seed: int
) -> None:
    process, folder = running(tiny_llm, tmp_path, f"engine.backend={backend}", "engine.workers=2")
    time.sleep(random.Random(seed).uniform(0, 1.5))
    process.kill()
    process.communicate(timeout=60)
    before = progress(folder)[1]
    start(prepare(reopen_folder(folder, overrides=["engine.backend=inline"])), folder, Log())
    assert before <= progress(folder)[1] == progress(slower)[1]
    same_tables(folder, slower)


def test_a_run_with_a_job_missing_never_ends_well(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.transport.dispatch import Dispatcher

    real = Dispatcher.add
    monkeypatch.setattr(
        Dispatcher, "add", lambda self, jobs: real(self, [j for j in jobs if getattr(j, "strategy", "") != "oracle"])
    )
    config = Config.load(None, tiny_overrides(tiny_llm, tmp_path))
    with pytest.raises(RunFailed, match="it ended with 2 of 12 jobs done"):
        start(prepare(config), make_folder(config, "run"), Log())


# ---------------------------------------------------------------- one user, directly


def test_only_the_failing_user_is_named(tiny_llm: Path, tmp_path: Path) -> None:
    config = broken(tiny_llm, tmp_path, "bad request")
    provider, pool = provider_of(config)
    work, job = workplace_of(config), Job(0, "broken", (0, 1))
    task = task_of(provider, pool, work, job, tmp_path / "offer")
    with pytest.raises(UserFailed) as caught:
        simulate(work, task)
    assert caught.value.user_id == 1
