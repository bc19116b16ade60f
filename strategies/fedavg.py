"""fedavg: one average pLLM for everybody."""

import numpy as np
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from strategies.base import Cloud, Offer, Phone, Start, Strategy

NAME, EXAMPLES = "fedavg", "num-examples"


class FedAvg(Strategy):
    """Start from the federated average of all the pool's adapters, each counting by the texts it was fine-tuned on.

    One round of FedAvg (McMahan et al., AISTATS 2017) by Flower's own aggregation, over A and B apart as federated LoRA
    does it; unlike there, the adapters were not trained from a common beginning. The phone downloads that one
    adapter, as large as a pLLM, and computes nothing before.
    """

    def offer(self, cloud: Cloud) -> Offer:
        if not cloud.pool.ids:
            return Offer()
        replies = []
        for pllm in cloud.pool.ids:
            tensors = cloud.pool.adapter(pllm)
            arrays = ArrayRecord({k: Array(v.astype(np.float32)) for k, v in tensors.items()})
            counted = MetricRecord({EXAMPLES: cloud.pool.texts(pllm)})
            replies.append(RecordDict({"arrays": arrays, "metrics": counted}))
        average = aggregate_arrayrecords(replies, EXAMPLES)
        return Offer((NAME,), adapters={NAME: {k: v.numpy() for k, v in average.items()}})

    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start({NAME: 1.0}) if offer.pllms else Start()
