"""fedavg: one average pLLM for everybody."""

from collections.abc import Sequence

import numpy as np
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from strategies.base import Cloud, Offer, Phone, Start, Strategy, Tensors

NAME, EXAMPLES = "fedavg", "num-examples"


def averaged(adapters: Sequence[Tensors], texts: Sequence[int]) -> Tensors:
    """The federated average of adapters, each counting by its texts: Flower's own aggregation, of A and B apart."""
    replies = []
    for tensors, count in zip(adapters, texts, strict=True):
        arrays = ArrayRecord({k: Array(v.astype(np.float32)) for k, v in tensors.items()})
        replies.append(RecordDict({"arrays": arrays, "metrics": MetricRecord({EXAMPLES: count})}))
    return {name: array.numpy() for name, array in aggregate_arrayrecords(replies, EXAMPLES).items()}


class FedAvg(Strategy):
    """Start from the federated average of all the pool's adapters, each counting by the texts it was fine-tuned on.

    One round of FedAvg (McMahan et al., AISTATS 2017) by Flower's own aggregation, over A and B apart as federated LoRA
    does it; unlike there, the adapters were not trained from a common beginning. The phone downloads that one
    adapter, as large as a pLLM, and computes nothing before.
    """

    def offer(self, cloud: Cloud) -> Offer:
        if not cloud.pool.ids:
            return Offer()
        pllms, pool = cloud.pool.ids, cloud.pool
        average = averaged([pool.adapter(pllm) for pllm in pllms], [pool.texts(pllm) for pllm in pllms])
        return Offer((NAME,), adapters={NAME: average})

    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start({NAME: 1.0}) if offer.pllms else Start()
