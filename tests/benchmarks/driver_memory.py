"""Peak memory of the driver by number of users: `python tests/benchmarks/driver_memory.py 1000 10000`.

Everything of a run is real but the phones: two users are simulated, and every other user's outcome is a copy of one of
theirs. Each number of users has a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

STRATEGIES = '["scratch","oracle"]'


@cache
def sample(config: str, pool: str, store: str, job: str) -> list[dict[str, Any]]:
    """Outcomes of the first two users."""
    import json

    from sim.messages import Job
    from sim.worker.cohort import simulate
    from sim.worker.workplace import workplace

    given = json.loads(job)
    some = Job.of({**given, "users": (0, 1), "targets": given["targets"][:2]})
    work = workplace(config, store)
    return [outcome.json() for outcome in simulate(work, work.task(some, pool, "", 50.0))]


def answer(order: dict[str, Any], node: str = "") -> dict[str, Any]:
    """Instead of `sim.worker.orders.answer`."""
    import json

    from sim import client_app

    if "group" in order:
        return client_app.answer(order, node)
    job = order["job"]
    kind = json.dumps({**job, "index": 0, "users": [], "targets": [2.0, 2.0] if job["targets"] else []})
    known = sample(order["config"], order["pool"], order["store"], kind)
    outcomes = [{**known[user % 2], "user_id": user} for user in job["users"]]
    return {"outcomes": outcomes, "host": "h", "node": node, "pid": os.getpid()}


def measure(users: int) -> None:
    from sim.cloud.preparation import open_texts
    from sim.cloud.run import serve_run
    from sim.common.memory import peak_mib
    from sim.display import Log
    from sim.experiment.config import Config
    from sim.records.folder import make_folder
    from sim.transport.nodes import InlineNodes

    with tempfile.TemporaryDirectory() as output:
        overrides = [f"population.users={users}", f"strategies={STRATEGIES}", "engine.backend=inline", "ladder.users=0"]
        config = Config.load(None, [*overrides, f"output={output}", "training.steps=10"])
        serve_run(open_texts(config), make_folder(config, "run"), Log(), InlineNodes(answer))
    print(f"{users:,} users: driver peak {peak_mib():,.0f} MiB", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    if sys.argv[1] == "one":
        measure(int(sys.argv[2]))
    else:
        for users in sys.argv[1:]:
            subprocess.run([sys.executable, __file__, "one", users], check=True)
