"""average: all pLLMs at once."""

from collections.abc import Sequence

import numpy as np

from strategies.base import Cloud, Offer, Phone, Start, Strategy, Tensors

NAME, A, B = "average", "lora_A.", "lora_B."


class Average(Strategy):
    """Start from the exact mean of all pLLMs: theta_base + 1/N sum_i (theta_i - theta_base).

    The deltas are averaged, where `fedavg` averages A and B apart and so gets another LLM. A sum of N adapters has the
    rank of all together, and that is what the phone fine-tunes. It downloads every pLLM and computes nothing before.

    Args:
        compressed: whether the cloud merges instead, and ships one adapter of the pool's rank: the nearest that there
            is to the mean, by singular values. It is no longer exact, but as small as a pLLM, and trains like one.
    """

    def __init__(self, compressed: bool = False) -> None:
        self.compressed = compressed

    def offer(self, cloud: Cloud) -> Offer:
        if not self.compressed or not cloud.pool.ids:
            return super().offer(cloud)
        return Offer((NAME,), adapters={NAME: mean([cloud.pool.adapter(pllm) for pllm in cloud.pool.ids])})

    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start(dict.fromkeys(offer.pllms, 1 / max(len(offer.pllms), 1)))


def mean(adapters: Sequence[Tensors]) -> Tensors:
    """The adapter of the same rank that is nearest to the mean of some; of a kind without A and B, the mean itself."""
    out: dict[str, np.ndarray] = {}
    for key in adapters[0]:
        if A in key:
            pairs = [(tensors[key], tensors[key.replace(A, B)]) for tensors in adapters]
            out[key], out[key.replace(A, B)] = _nearest(pairs)
        elif B not in key:
            out[key] = np.stack([np.asarray(tensors[key], np.float64) for tensors in adapters]).mean(axis=0)
    return out


def _nearest(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """A (rank, inputs) and B (outputs, rank) whose product is nearest to the mean of the products B A of some pairs.

    The sum of products is one product of stacked factors, and its singular values are those of the small matrix between
    the orthonormal bases of the two.
    """
    a = np.concatenate([each for each, _ in pairs], dtype=np.float64)
    b = np.concatenate([each for _, each in pairs], axis=1, dtype=np.float64) / len(pairs)
    (inputs, inner_a), (outputs, inner_b) = np.linalg.qr(a.T), np.linalg.qr(b)
    u, singular, v = np.linalg.svd(inner_b @ inner_a.T, full_matrices=False)
    rank = len(pairs[0][0])
    root = np.sqrt(singular[:rank])
    near_a, near_b = root[:, None] * (v[:rank] @ inputs.T), (outputs @ u[:, :rank]) * root
    missing = rank - len(root)  # a layer may be narrower than the rank
    return np.pad(near_a, ((0, missing), (0, 0))), np.pad(near_b, ((0, 0), (0, missing)))
