"""What adapters do to an LLM, compared without running it: cosines between their changes of its weights."""

from collections.abc import Sequence

import numpy as np

from strategies.average import A, B
from strategies.base import Tensors


def products(adapters: Sequence[Tensors]) -> np.ndarray:
    """Inner products (adapters, adapters) of the changes that adapters make to all weights, B A of each layer.

    <B1 A1, B2 A2> is the sum over ranks of (B1^T B2) * (A1 A2^T), so no change is ever written out. Tensors of a kind
    without A and B are changes themselves.
    """
    inner = np.zeros((len(adapters), len(adapters)))
    for key in adapters[0] if adapters else ():
        stacked = np.stack([np.asarray(tensors[key], np.float64) for tensors in adapters])
        if A in key:
            b = np.stack([np.asarray(tensors[key.replace(A, B)], np.float64) for tensors in adapters])
            ranks = np.einsum("ior,jos->ijrs", b, b, optimize=True)
            inner += np.einsum("ijrs,irn,jsn->ij", ranks, stacked, stacked, optimize=True)
        elif B not in key:
            flat = stacked.reshape(len(adapters), -1)
            inner += flat @ flat.T
    return inner


def cosines(adapters: Sequence[Tensors]) -> np.ndarray:
    """Cosines (adapters, adapters) between these changes."""
    inner = products(adapters)
    length = np.sqrt(np.maximum(np.diag(inner), 1e-24))
    return np.asarray(inner / length[:, None] / length)


def norms(adapters: Sequence[Tensors]) -> np.ndarray:
    """Lengths (adapters,) of these changes."""
    out = []
    for tensors in adapters:
        total = 0.0
        for key, value in tensors.items():
            a = np.asarray(value, np.float64)
            if A in key:
                b = np.asarray(tensors[key.replace(A, B)], np.float64)
                total += float(np.sum((b.T @ b) * (a @ a.T)))
            elif B not in key:
                total += float(np.sum(a**2))
        out.append(max(total, 0.0) ** 0.5)
    return np.array(out)
