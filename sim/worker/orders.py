"""What a worker does with an order: a cohort of phones, or a group of pLLMs to build. Knows nothing of Flower."""

from __future__ import annotations

import os
import traceback

from sim.common.cache import cache_dir
from sim.common.disk import no_space
from sim.common.errors import UserError
from sim.messages import Job, Json
from sim.pool.build import build_group
from sim.pool.plan import Group
from sim.worker.cohort import simulate
from sim.worker.failures import UserFailed, reason, trace
from sim.worker.workplace import Workplace, workplace


def answer(order: Json, node: str = "") -> dict[str, object]:
    """Do an order: a job (with pool, shared, text_tokens, model), or a group of pLLMs; each with config and store.

    An error comes back as text, since one that escapes only fills Flower's log: `refused` is one that the user can
    mend, `error` any other, with its `traceback` and, where one user is at fault, a `label` that says who.
    """
    try:
        done = _do(workplace(order["config"], order["store"]), order)
        return {**done, "host": os.uname().nodename, "node": node, "pid": os.getpid()}
    except UserError as error:
        return {"refused": str(error)}
    except UserFailed as error:
        label = Job(**{**order["job"], "users": (error.user_id,)}).label
        return {"error": str(error), "traceback": trace(error), "label": label}
    except Exception as error:
        if full := no_space(error, cache_dir()):
            return {"error": f"{full} (on {os.uname().nodename})", "traceback": ""}
        return {"error": reason(error), "traceback": traceback.format_exc()}


def _do(work: Workplace, order: Json) -> dict[str, object]:
    """What `Group.read` or `Job.read` reads."""
    if "group" in order:
        resident = work.resident
        built = build_group(Group.of(order["group"]), work.config, resident.corpus, resident.lm, resident.lanes)
        return {"pllms": work.store.put(built)}
    task = work.task(Job.of(order["job"]), order["pool"], order["shared"], order["text_tokens"], order["model"])
    return {"outcomes": [outcome.json() for outcome in simulate(work, task)]}
