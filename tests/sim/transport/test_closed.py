"""Nobody gets in: the Ray of a run listens on loopback only, and refuses whoever does not have its token."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sim.cloud.check import prepare
from sim.engine import start
from sim.experiment.config import Config
from sim.messages import Job
from sim.records.folder import is_finished, make_folder
from sim.transport.session import MARK
from tests.runs import Silent, tiny_overrides

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Ray is on loopback anyway where it is no Linux"),
]

ASK = """
import sys
from ray._raylet import GcsClient
print(GcsClient(address=sys.argv[1]).internal_kv_keys(b"", b"session", timeout=10))
"""


class Visitor(Silent):
    """Looks around when the first cohort is done."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners: dict[str, set[str]] = {}
        self.family: list[psutil.Process] = []
        self._before = set(psutil.Process().children(recursive=True))  # other tests' helpers, which stay
        self.answers: list[subprocess.CompletedProcess[str]] = []

    def finished(self, job: Job, rows: object) -> None:
        if self.listeners:
            return
        self.family = [p for p in psutil.Process().children(recursive=True) if p not in self._before]
        for process in [psutil.Process(), *self.family]:
            with suppress(psutil.NoSuchProcess):
                for each in process.net_connections():
                    if each.status == psutil.CONN_LISTEN:
                        self.listeners.setdefault(process.name(), set()).add(each.laddr.ip)
        import ray

        address = ray.get_runtime_context().gcs_address
        knows = dict(os.environ)
        lacks = {name: value for name, value in knows.items() if not name.startswith("RAY_AUTH")}
        wrong = {**knows, "RAY_AUTH_TOKEN": "0" * 64}
        for environment in (knows, lacks, wrong):
            command = [sys.executable, "-c", ASK, address]
            self.answers.append(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120))
        self.token = knows["RAY_AUTH_TOKEN"]
        self.told = [part for process in self.family for part in _command(process) if self.token in part]


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return list(process.cmdline())
    return []


def test_other_machines_and_other_accounts_are_kept_out(tiny_llm: Path, tmp_path: Path) -> None:
    ours = ["engine.backend=flower", "engine.workers=1", "strategies=scratch", "ladder.users=0"]
    config = Config.load(None, [*tiny_overrides(tiny_llm, tmp_path), *ours])
    folder, visitor = make_folder(config, "run"), Visitor()
    before = {name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH")}
    start(prepare(config), folder, visitor)
    assert is_finished(folder)

    assert {"gcs_server", "raylet"} <= set(visitor.listeners)
    assert any(name.startswith("ray::") for name in visitor.listeners)  # a worker, and Ray's agents
    for name, addresses in visitor.listeners.items():
        for address in addresses:
            assert ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback, (name, address)

    knows, lacks, wrong = visitor.answers
    assert knows.returncode == 0, knows.stderr
    assert "session_name" in knows.stdout
    for refused in (lacks, wrong):
        assert refused.returncode != 0
        assert "session_name" not in refused.stdout
    assert not visitor.told  # a command line can be read by everybody

    assert {name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH")} == before
    assert MARK not in os.environ
    assert not psutil.wait_procs(visitor.family, timeout=5)[1]
