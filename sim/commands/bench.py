"""`headstart bench`: the benchmark of `tests/benchmarks`, which a clone has and an installed package has not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Annotated

import typer

from sim.common.errors import UserError
from sim.experiment.shipped import IS_CLONE, ROOT


def bench(arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None) -> None:
    """Measure Headstart beside the FlowerTune pattern and a PEFT loop on equal work, lanes, and cost-only runs."""
    if not IS_CLONE:
        raise UserError(f"bench: {ROOT} has no tests/benchmarks; install from a clone with pip install -e .")
    # -P: a folder `tests` where the user stands is not ours
    command = [sys.executable, "-P", "-m", "tests.benchmarks", *(arguments or [])]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # it comes to this process alone
    try:
        status = process.wait()
    except KeyboardInterrupt:  # Ctrl-C reaches the benchmark as well, which first ends what it began
        status = process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
    raise typer.Exit(status if status >= 0 else 128 - status)
