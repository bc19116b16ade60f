"""The Flower ClientApp: a cohort of phones. One message is one job; the reply carries its outcomes.

Kept in an importable module, or the resident LLM would be lost between messages (Flower pickles `__main__` by value).
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import asdict
from typing import Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from sim.cohort import Job, simulate
from sim.disk import no_space
from sim.errors import UserError
from sim.failures import UserFailed, reason, trace
from sim.resident import resident

ACTION = "train.cohort"
app = ClientApp()


@app.train("cohort")
def cohort(message: Message, context: Context) -> Message:
    """Simulate a cohort."""
    order = json.loads(str(message.content["order"]["json"]))
    content = RecordDict({"reply": ConfigRecord({"json": json.dumps(answer(order, _node(context)))})})
    return Message(content, reply_to=message)


def answer(order: dict[str, Any], node: str = "") -> dict[str, Any]:
    """Do an order (job, config, pool, store). An error comes back as text: one that escapes only fills
    Flower's log.

    `refused` is one that the user can mend, `error` any other, with its `traceback` and, where it is known, its `user`.
    """
    try:
        job = Job(**order["job"])
        outcomes = simulate(resident(order["config"], order["pool"], order["store"]), job)
        return {
            "outcomes": [asdict(o) for o in outcomes],
            "host": os.uname().nodename,
            "node": node,
            "pid": os.getpid(),
        }
    except UserError as error:
        return {"refused": str(error)}
    except UserFailed as error:
        return {"error": str(error), "traceback": trace(error), "user": error.user_id}
    except Exception as error:
        if no_space(error):
            return {"error": f"{no_space(error)} (on {os.uname().nodename})", "traceback": ""}
        return {"error": reason(error), "traceback": traceback.format_exc()}


def _node(context: Context) -> str:
    """Where this process is: the Ray node it runs on, else (Flower's Deployment Engine) the SuperNode."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return str(ray.get_runtime_context().get_node_id())
    return str(context.node_id)
