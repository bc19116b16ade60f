"""The Ray that a run uses: one of its own, which nobody else can reach, or the cluster that the config names."""

from __future__ import annotations

import ipaddress
import os
import secrets
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants

from sim.common.disk import no_space
from sim.common.errors import RunFailed, UserError
from sim.transport.session import MARK, session_folder

LOCAL = "local"
"""The address of a Ray of one's own."""
CLOSED = "; no Ray is there, or its token is not that of RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH (docs/deployment.md)"


@contextmanager
def joined(address: str, cpus: int, variables: Mapping[str, str]) -> Iterator[int]:
    """Within, this process is a driver of the Ray at an address; yields how many CPUs that has.

    Args:
        address: LOCAL, "auto" or host:port.
        cpus: of a Ray of one's own.
        variables: environment variables of the workers.

    Raises UserError.
    """
    settings: dict[str, Any] = {}
    with ExitStack() as ends:
        if address == LOCAL:
            folder = ends.enter_context(session_folder())
            ends.enter_context(_closed(folder))
            settings = {"num_cpus": cpus, "include_dashboard": False, "_temp_dir": str(folder)}
        else:
            _check_there(address)
        ends.callback(ray.shutdown)
        try:
            with _sigterm_kept():
                env = {"env_vars": dict(variables)}
                ray.init(address, runtime_env=env, logging_level="ERROR", log_to_driver=False, **settings)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            if no_space(error):
                raise
            closed = isinstance(error, ConnectionError) and address != LOCAL
            raise UserError(_said(address, error) + CLOSED * closed) from None
        host = ray.util.get_node_ip_address()
        if address == LOCAL and not ipaddress.ip_address(host).is_loopback:
            raise RunFailed(f"Ray {ray.__version__} listens on {host}, where other machines can reach it")
        yield int(ray.cluster_resources().get("CPU", 1))


@contextmanager
def _closed(folder: Path) -> Iterator[None]:
    """A Ray that is started within listens on loopback only, and refuses whoever does not have its token.

    Loopback keeps other machines out, the token other accounts of this one. Ray reads both from its environment when
    it is imported, so it is made to read again; its switch for loopback has no public name on Linux.
    """
    variables = {MARK: str(folder), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ.get(name) for name in variables}
    reachable = ray_constants.ENABLE_RAY_CLUSTER
    os.environ.update(variables)
    ray_constants.ENABLE_RAY_CLUSTER = False
    read_again()
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = reachable
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        read_again()


def read_again() -> None:
    """Make Ray read from the environment whether it wants a token, and which."""
    ray._raylet.AuthenticationTokenLoader.instance().reset_cache()
    ray._raylet.Config.initialize("")


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """SIGTERM does what it did before: Ray would end the process without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:  # Ray's own handler, while it starts
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_there(address: str) -> None:
    """Raise UserError where nobody listens at host:port, for which Ray would wait ten minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return
    hosts = [host]
    if host in ("127.0.0.1", "localhost"):
        hosts.append(ray.util.get_node_ip_address())  # which Ray uses instead
    for number, each in enumerate(hosts, start=1):
        try:
            return socket.create_connection((each, int(port)), timeout=10).close()
        except OSError as error:
            if number == len(hosts):
                raise UserError(_said(address, error)) from None


def _said(address: str, error: Exception) -> str:
    return f"engine.address = {address!r}: {str(error).strip().splitlines()[0]}"
