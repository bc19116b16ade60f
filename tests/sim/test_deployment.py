"""The same App on Flower's Deployment Engine: a SuperLink and two SuperNodes, as they would run on three machines."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sim.cloud.check import prepare
from sim.engine import start
from sim.records.folder import make_folder
from tests.runs import Silent, free_port, processes, small_config, tables

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
START_S = 120


@contextmanager
def superlink(home: Path) -> Iterator[int]:
    """A SuperLink and two SuperNodes on loopback, started as docs/deployment.md says; yields the SuperLink's port."""
    port = free_port()
    quiet = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    environment = {**os.environ, **quiet, "FLWR_HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"}
    home.mkdir()
    (home / "config.toml").write_text(f'[superlink.here]\naddress = "127.0.0.1:{port}"\ninsecure = true\n')
    commands = [
        ["flower-superlink", "--insecure", "--disable-runtime-dependency-installation", "--port", str(port)],
        *(
            ["flower-supernode", "--insecure", "--superlink", f"127.0.0.1:{port}", "--port", str(free_port())]
            for _ in range(2)
        ),
    ]
    with (home / "log.txt").open("w") as log:
        try:
            for command in commands:
                subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=home)
                ends = time.monotonic() + START_S
                while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < ends:
                    time.sleep(0.2)
            yield port
        finally:
            for pid in processes(f"FLWR_HOME={home}", "environ"):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks processes up in /proc")
def test_superlink_and_two_supernodes_give_the_records_of_inline(tiny_llm: Path, tmp_path: Path) -> None:
    few = ["population.users=4", "ladder.users=0", 'strategies=["scratch","xpert"]']  # every message starts a process
    config = small_config(tiny_llm, tmp_path / "inline", *few)
    folder = make_folder(config, "inline")
    start(prepare(config), folder, Silent())
    (tmp_path / "config.toml").write_text(config.model_copy(update={"output": str(tmp_path / "out")}).to_toml())
    home = tmp_path / "flwr"
    with superlink(home):
        command = ["flwr", "run", str(ROOT), "here", "--stream", "--run-config", f'config="{tmp_path / "config.toml"}"']
        environment = {**os.environ, "FLWR_HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
        log = (home / "log.txt").read_text()
    folders = list((tmp_path / "out" / "small").glob("*"))
    assert len(folders) == 1, done.stdout + done.stderr + log
    # the App summarises as well
    assert tables(folder).items() <= tables(folders[0]).items(), done.stdout + done.stderr + log
    workers = json.loads((folders[0] / "manifest.json").read_text())["workers"]
    assert len({w["node"] for w in workers}) == 2, workers
