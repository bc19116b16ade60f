"""The Flower ClientApp: a cohort of phones, or a group of pLLMs to build. One message is one order.

Kept in an importable module, or the resident LLM would be lost between messages (Flower pickles `__main__` by value).
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from sim.common.disk import no_space
from sim.common.errors import UserError
from sim.messages import Job
from sim.pool.build import build_group
from sim.pool.plan import Group
from sim.serving.resident import Resident, resident
from sim.worker.cohort import simulate
from sim.worker.failures import UserFailed, reason, trace

ACTION = "train.cohort"
app = ClientApp()


@app.train("cohort")
def cohort(message: Message, context: Context) -> Message:
    """Do the order of a message."""
    order = json.loads(str(message.content["order"]["json"]))
    content = RecordDict({"reply": ConfigRecord({"json": json.dumps(answer(order, _node(context)))})})
    return Message(content, reply_to=message)


def answer(order: dict[str, Any], node: str = "") -> dict[str, Any]:
    """Do an order: a job (with config, store, pool, shared), or a group of pLLMs (with config, store).

    An error comes back as text, since one that escapes only fills Flower's log: `refused` is one that the user can
    mend, `error` any other, with its `traceback` and, where one user is at fault, a `label` that says who.
    """
    try:
        done = _do(resident(order["config"], order["store"]), order)
        return {**done, "host": os.uname().nodename, "node": node, "pid": os.getpid()}
    except UserError as error:
        return {"refused": str(error)}
    except UserFailed as error:
        label = Job(**{**order["job"], "users": (error.user_id,)}).label
        return {"error": str(error), "traceback": trace(error), "label": label}
    except Exception as error:
        if no_space(error):
            return {"error": f"{no_space(error)} (on {os.uname().nodename})", "traceback": ""}
        return {"error": reason(error), "traceback": traceback.format_exc()}


def _do(home: Resident, order: dict[str, Any]) -> dict[str, Any]:
    """What `Group.read` or `Job.read` reads."""
    if "group" in order:
        return {"pllms": home.store.put(build_group(home, Group(**order["group"])))}
    home.pool_folder = home.folder(order["pool"])
    home.shared = Path(order["shared"]) if order["shared"] else None
    return {"outcomes": [vars(o) for o in simulate(home, Job(**order["job"]))]}


def _node(context: Context) -> str:
    """Where this process is: the Ray node it runs on, else (Flower's Deployment Engine) the SuperNode."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return str(ray.get_runtime_context().get_node_id())
    return str(context.node_id)
