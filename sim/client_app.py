"""The Flower ClientApp: a cohort of phones. One message is one job; the reply carries its outcomes.

Kept in an importable module, or the resident LLM would be lost between messages (Flower pickles `__main__` by value).
"""

from __future__ import annotations

import json
import os
import traceback
from typing import Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from sim.cohort import Job, simulate
from sim.errors import UserError
from sim.resident import resident

ACTION = "train.cohort"
app = ClientApp()


@app.train("cohort")
def cohort(message: Message, context: Context) -> Message:
    """Simulate a cohort."""
    order = json.loads(str(message.content["order"]["json"]))
    content = RecordDict({"reply": ConfigRecord({"json": json.dumps(answer(order))})})
    return Message(content, reply_to=message)


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """Do an order (job, config, pool). An error comes back as text: an escaping one would only fill Flower's log.

    `refused` is one that the user can mend, `error` any other, with its `traceback`.
    """
    try:
        job = Job(**order["job"])
        outcomes = simulate(resident(order["config"], order["pool"]), job)
        return {"outcomes": [vars(o) for o in outcomes], "host": os.uname().nodename, "pid": os.getpid()}
    except UserError as error:
        return {"refused": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
