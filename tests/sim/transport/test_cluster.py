"""An existing Ray cluster of two machines (two raylets on this one): both work, and one may die."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sim.cloud.check import prepare
from sim.common.errors import RunFailed, UserError
from sim.engine import start
from sim.experiment.config import Config
from sim.messages import Job
from sim.records.folder import is_finished, make_folder, reopen_folder
from sim.transport.cluster import joined, read_again
from tests.runs import Silent, descends, processes, small_config, tables

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="two raylets on one machine: Linux only"),
]


@pytest.fixture(scope="module")
def alone(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, dict[str, str]]:
    """What one process records, with the cache of the driver."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        config = small_config(tiny_llm, tmp_path_factory.mktemp("alone"), "population.users=16")
        folder = make_folder(config, "alone")
        start(prepare(config), folder, Silent())
        return config, tables(folder)


def children(parent: int) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # a process that has just ended
            if int(file.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(file.parent.name))
    return found


class Cluster:
    """Two raylets of one CPU each, on loopback, each with a cache of its own as if on a machine of its own.

    Not on 127.0.0.1, which Ray takes for another name of this machine's address on its network.
    """

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        self.caches = [folder / "one", folder / "other"]
        head, other = ({"num_cpus": 1, "env_vars": {"HEADSTART_CACHE": str(c)}} for c in self.caches)
        self._ray = RayCluster(initialize_head=True, head_node_args={**head, "node_ip_address": "127.0.0.2"})
        self._other = self._ray.add_node(**other, node_ip_address="127.0.0.3")
        self.address = str(self._ray.address)

    def kill_other(self) -> None:
        """kill -9 the raylet of the node that is not the head, and what it started: a machine that goes off.

        (Workers outlive a raylet that is killed alone, and go on working.)
        """
        raylet = self._other.all_processes["raylet"][0].process.pid
        for pid in [raylet, *children(raylet)]:
            os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        self._ray.shutdown()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "caches")
    yield made
    made.close()


def on(cluster: Cluster, config: Config, output: Path, **engine: Any) -> Config:
    update = {"backend": "flower", "address": cluster.address, **engine}
    return config.model_copy(update={"output": str(output), "engine": config.engine.model_copy(update=update)})


def test_two_raylets_record_what_one_process_does_and_both_work(
    cluster: Cluster, alone: tuple[Config, dict[str, str]], tmp_path: Path
) -> None:
    config, expected = alone
    changed = on(cluster, config, tmp_path, store=str(tmp_path / "store"))
    folder = make_folder(changed, "two")
    start(prepare(changed), folder, Silent())
    assert tables(folder) == expected
    workers = json.loads((folder / "manifest.json").read_text())["workers"]
    assert len({w["node"] for w in workers}) == 2, workers
    assert all(w["jobs"] > 0 and w["processes"] == 1 for w in workers)
    assert sum(w["jobs"] for w in workers) == 8 * 4 + 2 * 2 * 4  # whole texts; two rungs below them
    for cache in cluster.caches:  # the LLM, the pool and four offers, fetched once; nothing was built there
        assert {p.name for p in cache.iterdir()} == {"fetched"}
        assert len(list((cache / "fetched").iterdir())) >= 5


def test_a_pool_built_by_two_machines_is_that_of_one(cluster: Cluster, tiny_llm: Path, tmp_path: Path) -> None:
    config = small_config(tiny_llm, tmp_path / "alone", "pool.size=5", "pool.seed=7", "ladder.users=0")
    changed = on(cluster, config, tmp_path, store=str(tmp_path / "store"))
    folder = make_folder(changed, "two")
    start(prepare(changed), folder, Silent())
    built = [path.name for cache in cluster.caches for path in cache.glob("pllms/*")]
    assert len(set(built)) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path / "own"))
        alone = make_folder(config, "alone")
        start(prepare(config), alone, Silent())
    assert tables(folder) == tables(alone)


class Cutter(Silent):
    """Kills a raylet as soon as some cohorts are done."""

    def __init__(self, cluster: Cluster, after: int) -> None:
        self.cluster, self.left = cluster, after

    def finished(self, job: Job, rows: object) -> None:
        self.left -= 1
        if self.left == 0:
            self.cluster.kill_other()


def test_a_killed_raylet_changes_nothing(cluster: Cluster, tiny_llm: Path, tmp_path: Path) -> None:
    long = ["population.users=16", "ladder.users=0", 'strategies=["scratch","random"]']
    long += ["training.steps=150", "training.evaluate_every=10", "training.patience=0", "training.stop_at_target=false"]
    config = small_config(tiny_llm, tmp_path / "alone", *long)
    alone = make_folder(config, "alone")
    start(prepare(config), alone, Silent())
    changed = on(cluster, config, tmp_path, store=str(tmp_path / "store"))
    folder, cutter = make_folder(changed, "cut"), Cutter(cluster, 2)
    start(prepare(changed), folder, cutter)
    assert cutter.left < 0
    assert tables(folder) == tables(alone)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["resent"] >= 1
    fewer, more = sorted(w["jobs"] for w in manifest["workers"])
    assert 0 < fewer < more


def test_a_cluster_that_cannot_be_reached_is_one_line(alone: tuple[Config, dict[str, str]], tmp_path: Path) -> None:
    config, _ = alone
    engine = config.engine.model_copy(update={"backend": "flower", "address": "127.0.0.1:1"})
    changed = config.model_copy(update={"output": str(tmp_path), "engine": engine})
    with pytest.raises(UserError, match=r"^engine\.address = '127\.0\.0\.1:1': ") as caught:
        start(prepare(changed), make_folder(changed, "nowhere"), Silent())
    assert "\n" not in str(caught.value)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the token that this process has; "" for none. Raylets are started with that of then, and close with it."""

    def have(value: str) -> None:
        monkeypatch.setenv("RAY_AUTH_MODE", "token" if value else "disabled")
        monkeypatch.setenv("RAY_AUTH_TOKEN", value)
        read_again()

    yield have
    monkeypatch.undo()
    read_again()


def test_a_cluster_with_a_token_lets_in_who_has_it(tmp_path: Path, token: Callable[[str], None]) -> None:
    token("a" * 64)
    made = Cluster(tmp_path)
    try:
        with joined(made.address, 1, {}) as cpus:
            assert cpus == 2
        for other in ("b" * 64, ""):
            token(other)
            refused = pytest.raises(UserError, match=r"^engine\.address = '127\.0\.0\.2:.*RAY_AUTH_TOKEN")
            with refused as caught, joined(made.address, 1, {}):
                pass
            assert "\n" not in str(caught.value)
    finally:
        token("a" * 64)
        made.close()


def test_workers_without_the_drivers_folders_say_so(
    cluster: Cluster, alone: tuple[Config, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a store the driver's cache is taken for shared; here it vanishes once the run has begun."""
    config, expected = alone
    changed = on(cluster, config, tmp_path)
    folder = make_folder(changed, "shared")

    class Remover(Silent):
        def started(self, jobs: int, users: int) -> None:
            (Path(os.environ["HEADSTART_CACHE"]) / "offers").rename(tmp_path / "hidden")

    with pytest.raises(UserError, match="this worker has no"):
        start(prepare(changed), folder, Remover())
    (tmp_path / "hidden").rename(Path(os.environ["HEADSTART_CACHE"]) / "offers")
    assert not is_finished(folder)
    start(prepare(reopen_folder(folder, overrides=["engine.backend=inline"])), folder, Silent())
    assert tables(folder) == expected


def test_all_workers_gone_ends_the_run(cluster: Cluster, alone: tuple[Config, dict[str, str]], tmp_path: Path) -> None:
    """Killing every worker again and again is no way to end well: the run says so, and resumes."""
    config, expected = alone
    changed = on(cluster, config, tmp_path, store=str(tmp_path / "store"), retries=0)
    folder = make_folder(changed, "gone")

    class Killer(Silent):
        def finished(self, job: Job, rows: object) -> None:
            for pid in filter(descends, processes("ray::ClientAppActor")):
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(RunFailed, match="lost 1 times"):
        start(prepare(changed), folder, Killer())
    start(prepare(reopen_folder(folder, overrides=["engine.backend=inline"])), folder, Silent())
    assert tables(folder) == expected
