"""federated and clustered: plain federated learning, a round a wave, as rivals that share adapters and no pool."""

from collections.abc import Sequence

from strategies.base import Choice, Choosing, Cloud, Contributions, Members, Offer, Phone, Policy, Start, Strategy
from strategies.exhaustive import Exhaustive
from strategies.fedavg import averaged


class Federated(Strategy):
    """Start from the global adapter of federated learning, and personalise it.

    FedAvg (McMahan et al., AISTATS 2017) by Flower's own aggregation, over the A and B of LoRA apart. Every wave is a
    round: its users download the global adapter, fine-tune it on their own texts until those say that it is done, which
    is also their personalisation, and those who contribute upload it; the cloud averages what it got, each counting by
    its texts. The users of the first wave start from scratch, which in waves is the same adapter for all. A pool that
    was there is not used; where users do not come in waves, all start from scratch.

    Of the run's policies those that judge what was given (`Policy.screens`) are asked before it is averaged, in each
    round apart; those that choose what a pool is to have mean nothing here.
    """

    clusters = 1

    def receive(self, cloud: Cloud, given: Contributions, policies: Sequence[Policy]) -> Members:
        present = {_cluster(name): name for name in cloud.pool.ids if _cluster(name) >= 0}
        members: dict[int, list[str]] = {cluster: [] for cluster in range(self.clusters)}
        drawn = cloud.rng("clusters").integers(self.clusters, size=len(given.ids))
        for pllm, at in zip(given.ids, drawn, strict=True):
            start = _cluster(given.start(pllm).best)
            members[start if start >= 0 else int(at)].append(pllm)
        for policy in (policy for policy in policies if policy.screens):
            members = {c: list(policy.apply(Members(tuple(m)), cloud, given).pllms) for c, m in members.items()}
        made = {
            _next(present.get(cluster), cluster): averaged(
                [given.adapter(pllm) for pllm in mine], [given.texts(pllm) for pllm in mine]
            )
            for cluster, mine in members.items()
            if mine
        }
        return Members(tuple(name for cluster, name in present.items() if not members[cluster]), made)

    def offer(self, cloud: Cloud) -> Offer:
        return Offer(tuple(name for name in cloud.pool.ids if _cluster(name) >= 0))

    def choose(self, phone: Phone, offer: Offer) -> Choosing | Choice | Start:
        return Start({offer.pllms[0]: 1.0}) if offer.pllms else Start()


class Clustered(Federated):
    """Start from that one of several global adapters which fits the user's texts best, and personalise it.

    IFCA (Ghosh et al., NeurIPS 2020): each phone downloads all, evaluates each on its own texts and trains the one with
    the lowest loss; the cloud averages each cluster's adapters apart, as `federated` does. What the first wave gave,
    from scratch, is dealt out over the clusters at random.

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
        return Exhaustive(self.texts).choose(phone, offer)


def _cluster(name: str) -> int:
    """The cluster that an adapter is the global one of; -1: it is none."""
    parts = name.split("-")
    return int(parts[1]) if len(parts) == 3 and parts[0] == "global" and parts[1].isdigit() else -1


def _next(name: str | None, cluster: int) -> str:
    """What a cluster's adapter is called after one more round."""
    return f"global-{cluster}-{1 + int(name.rsplit('-', 1)[1]) if name else 1}"
