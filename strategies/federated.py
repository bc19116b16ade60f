"""federated and clustered: plain federated learning, a round a wave, as rivals that share adapters and no pool."""

from collections.abc import Sequence

from strategies.base import (
    Choice,
    Choosing,
    Cloud,
    Contributions,
    Members,
    Offer,
    Phone,
    Policy,
    Start,
    Strategy,
    Tensors,
)
from strategies.exhaustive import Exhaustive
from strategies.fedavg import averaged


class Federated(Strategy):
    """Start from the global adapter of federated learning, and personalise it.

    FedAvg (McMahan et al., AISTATS 2017) by Flower's own aggregation, over the A and B of LoRA apart. Every wave is a
    round: its users download the global adapter, fine-tune it on their own texts until those say that it is done, which
    is also their personalisation, and those who contribute upload it; the cloud averages what it got, each counting by
    its texts. The first wave begins with one adapter that nobody has trained, the same for all. A pool that was there
    is not used.
    """

    clusters = 1

    def receive(self, cloud: Cloud, given: Contributions, policies: Sequence[Policy]) -> Members:
        made: dict[str, Tensors] = {}
        kept: list[str] = []
        present = {_cluster(name): name for name in cloud.pool.ids if _cluster(name) >= 0}
        for cluster in range(self.clusters):
            if (before := present.get(cluster)) is None:
                made[f"global-{cluster}-0"] = cloud.fresh(f"cluster {cluster}")
            elif mine := [pllm for pllm in given.ids if given.start(pllm).best == before]:
                average = averaged([given.adapter(pllm) for pllm in mine], [given.texts(pllm) for pllm in mine])
                made[f"global-{cluster}-{_round(before) + 1}"] = average
            else:
                kept.append(before)
        return Members(tuple(kept), made)

    def choose(self, phone: Phone, offer: Offer) -> Choosing | Choice | Start:
        return Start({offer.pllms[0]: 1.0}) if offer.pllms else Start()


class Clustered(Federated):
    """Start from that one of several global adapters which fits the user's texts best, and personalise it.

    IFCA (Ghosh et al., NeurIPS 2020): each phone downloads all, evaluates each on its own texts and trains the one with
    the lowest loss; the cloud averages each cluster's adapters apart, as `federated` does. Adapters that nobody has
    trained fit all alike: of these a phone draws one.

    Args:
        clusters: how many there are.
        texts: own texts that the phone reads with each at most; 0: all.
    """

    not_in_offer = frozenset({"texts"})

    def __init__(self, clusters: int = 4, texts: int = 0) -> None:
        if clusters < 1 or texts < 0:
            raise ValueError(f"clusters = {clusters}, texts = {texts}: 1 or more and 0 (all) or more are expected")
        self.clusters, self.texts = clusters, texts

    def choose(self, phone: Phone, offer: Offer) -> Choosing | Choice | Start:
        untrained = [name for name in offer.pllms if not _round(name)]
        if len(untrained) == len(offer.pllms):
            return Start({untrained[int(phone.rng("cluster").integers(len(untrained)))]: 1.0}) if untrained else Start()
        return Exhaustive(self.texts).choose(phone, offer)


def _cluster(name: str) -> int:
    """The cluster that an adapter is the global one of; -1: it is none."""
    parts = name.split("-")
    return int(parts[1]) if len(parts) == 3 and parts[0] == "global" and parts[1].isdigit() else -1


def _round(name: str) -> int:
    """How many rounds a global adapter was trained in."""
    return int(name.rsplit("-", 1)[1])
