"""The Flower ClientApp: a cohort of phones, or a group of pLLMs to build. One message is one order.

Kept in an importable module, or the resident LLM would be lost between messages (Flower pickles `__main__` by value).
"""

from __future__ import annotations

import json
import os
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from sim.cohort import Job, simulate
from sim.errors import UserError
from sim.pllms import Group, build_group
from sim.resident import resident

ACTION = "train.cohort"
app = ClientApp()


@app.train("cohort")
def cohort(message: Message, context: Context) -> Message:
    """Do the order of a message."""
    order = json.loads(str(message.content["order"]["json"]))
    content = RecordDict({"reply": ConfigRecord({"json": json.dumps(answer(order))})})
    return Message(content, reply_to=message)


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """Do an order: a job (with config, pool, shared), or a group of pLLMs (with config).

    An error comes back as text, since an escaping one would only fill Flower's log: `refused` is one that the user can
    mend, `error` any other, with its `traceback`.
    """
    try:
        home, me = resident(order["config"]), {"host": os.uname().nodename, "pid": os.getpid()}
        if "group" in order:
            group = Group(**order["group"])
            build_group(home, group)
            return {"pllms": group.names, **me}
        home.pool_folder, home.shared = Path(order["pool"]), Path(order["shared"]) if order["shared"] else None
        return {"outcomes": [asdict(o) for o in simulate(home, Job(**order["job"]))], **me}
    except UserError as error:
        return {"refused": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
