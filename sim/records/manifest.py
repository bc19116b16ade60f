"""manifest.json: what ran, on what, with which versions."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sim.common.disk import write_whole
from sim.experiment.config import Config
from sim.experiment.shipped import IS_CLONE, ROOT

NAME = "manifest.json"
PACKAGES = ("headstart", "flwr", "ray", "torch", "transformers", "peft", "numpy", "pandas")


def write_manifest(folder: Path, config: Config, **found: object) -> None:
    """Write `manifest.json`: versions, machine, and what was found out; a second call with more `found` replaces it."""
    manifest = {
        "headstart": version_of("headstart"),
        "git_commit": git_commit(),
        **config.of_rows,
        "versions": {name: version_of(name) for name in PACKAGES},
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        **found,
    }
    write_whole(folder / NAME, json.dumps(manifest, indent=2, default=str) + "\n")


def workers_done(jobs: Mapping[tuple[str, str, int], int]) -> list[dict[str, str | int]]:
    """Who did the jobs: by host and node (of Ray, or a SuperNode) the processes and the jobs done."""
    processes: Counter[tuple[str, str]] = Counter((host, node) for host, node, _ in jobs)
    done: Counter[tuple[str, str]] = Counter()
    for (host, node, _), count in jobs.items():
        done[host, node] += count
    return [
        {"host": host, "node": node, "processes": count, "jobs": done[host, node]}
        for (host, node), count in sorted(processes.items())
    ]


def made_by(folder: Path) -> str:
    """The version of Headstart that made a run, as its manifest says; "" where that cannot be read."""
    try:
        return str(json.loads((folder / NAME).read_text(encoding="utf-8"))["headstart"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def git_commit() -> str:
    """The commit of the checkout this runs from, '+' when it has changes, or '' outside of one."""
    if not IS_CLONE:  # an environment may lie in the checkout of something else
        return ""
    try:
        run = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
        return subprocess.run(run, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()
