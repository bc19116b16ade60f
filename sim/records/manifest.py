"""manifest.json: what ran, on what, with which versions."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sim.common.disk import write_whole
from sim.experiment.config import Config
from sim.serving.resident import Resident

PACKAGES = ("headstart", "flwr", "ray", "torch", "transformers", "peft", "numpy", "pandas")


def write_manifest(folder: Path, config: Config, resident: Resident, text_tokens: float, **found: Any) -> None:
    """Write `manifest.json`; a second call with more `found` replaces it."""
    parameters = sum(p.numel() for p in resident.lm.model.parameters())
    manifest = {
        "headstart": version_of("headstart"),
        "git_commit": git_commit(),
        "seed": config.seed,
        "versions": {name: version_of(name) for name in PACKAGES},
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "llm": {"source": resident.lm.source, "parameters": parameters},
        "pool": str(resident.pool.folder),
        "mean_text_tokens": text_tokens,
        **found,
    }
    write_whole(folder / "manifest.json", json.dumps(manifest, indent=2, default=str) + "\n")


def workers_done(jobs: Mapping[tuple[str, str, int], int]) -> list[dict[str, Any]]:
    """Who did the jobs: by host and node (of Ray, or a SuperNode) the processes and the jobs done."""
    nodes: dict[tuple[str, str], dict[str, Any]] = {}
    for (host, node, _), done in sorted(jobs.items()):
        entry = nodes.setdefault((host, node), {"host": host, "node": node, "processes": 0, "jobs": 0})
        entry["processes"] += 1
        entry["jobs"] += done
    return list(nodes.values())


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def git_commit() -> str:
    """The commit of the checkout this runs from, '+' when it has changes, or '' outside of one."""
    root = Path(__file__).resolve().parents[2]
    try:
        run = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
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
