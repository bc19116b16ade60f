"""The Flower ClientApp. One message is one order (`sim.worker.orders`).

Kept in an importable module, or the resident LLM would be lost between messages (Flower pickles `__main__` by value).
"""

from __future__ import annotations

import json
import sys

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from sim.worker.orders import answer

app = ClientApp()


@app.train("cohort")  # `sim.transport.grid.ACTION` without its first part
def cohort(message: Message, context: Context) -> Message:
    """Do the order of a message."""
    order = json.loads(str(message.content["order"]["json"]))
    content = RecordDict({"reply": ConfigRecord({"json": json.dumps(answer(order, _node(context)))})})
    return Message(content, reply_to=message)


def _node(context: Context) -> str:
    """Where this process is: the Ray node it runs on, else (Flower's Deployment Engine) the SuperNode."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return str(ray.get_runtime_context().get_node_id())
    return str(context.node_id)
