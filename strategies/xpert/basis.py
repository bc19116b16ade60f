"""Explanations: embeddings as coordinates over human-readable words (XPerT, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Basis:
    """Words in the order in which they were taken.

    Args:
        vectors: float32 (words, width), unit vectors orthogonal to each other: what each word adds to those before it.
        loadings: float32 (words, words), each word's own unit vector over `vectors`.
        origin: float32 (width,), where an unstyled text lies.
    """

    words: tuple[str, ...]
    vectors: Floats
    loadings: Floats
    origin: Floats

    @classmethod
    def of(cls, vectors: Mapping[str, Floats], origin: Floats) -> Basis:
        """The basis of words with these vectors (width,); a word that adds nothing to those before it is left out."""
        own: dict[str, Floats] = {}
        frame = np.empty((0, len(origin)))
        for word, vector in vectors.items():
            unit = _unit(np.asarray(vector, dtype=np.float64))
            fresh = unit - (unit @ frame.T) @ frame
            if np.linalg.norm(fresh) > 1e-6:
                own[word], frame = unit, np.vstack([frame, _unit(fresh)])
        loadings = np.stack([*own.values()]) @ frame.T
        return cls(tuple(own), *(a.astype(np.float32) for a in (frame, loadings, origin)))

    def payload(self) -> dict[str, object]:
        """What a phone needs to know of the basis."""
        return {**vars(self), "words": list(self.words)}

    @classmethod
    def of_payload(cls, payload: Mapping[str, object]) -> Basis:
        vectors, loadings, origin = (np.asarray(payload[name]) for name in ("vectors", "loadings", "origin"))
        return cls(tuple(cast(list[str], payload["words"])), vectors, loadings, origin)

    def coordinates(self, embedding: Floats) -> Floats:
        """Coordinates z of embeddings (..., width): (..., words).

        Each says what its word explains beyond the words before it, so that distances between coordinates are those
        between embeddings, as far as the words reach (docs/log.md).
        """
        return (np.asarray(embedding, dtype=np.float64) - self.origin) @ self.vectors.T.astype(np.float64)

    def named(self, z: Floats) -> dict[str, float]:
        """How much of each word, largest first: coordinates (words,) projected onto the words' own vectors."""
        much = self.loadings.astype(np.float64) @ z
        return {self.words[i]: float(much[i]) for i in np.argsort(-much)}

    def by_word(self, z: Floats) -> dict[str, float]:
        """Coordinates (words,) by word."""
        return dict(zip(self.words, map(float, z), strict=True))


def select_words(candidates: Mapping[str, Floats], embeddings: Floats, e_ortho: float, e_decomp: float) -> list[str]:
    """Take words one after another until they compose every embedding.

    Each time the candidate is taken that leaves the smallest residual over all embeddings, among those whose cosine
    to every word already taken is under `e_ortho`. Ends when the residual is under `e_decomp` of the embeddings' norm
    for the mean embedding, or no candidate is left.

    Args:
        candidates: word -> vector (width,), relative to the origin.
        embeddings: (pLLMs, width), relative to the origin.
    """
    left = {word: _unit(np.asarray(v, dtype=np.float64)) for word, v in candidates.items() if np.any(v)}
    targets = np.asarray(embeddings, dtype=np.float64)
    norms = np.linalg.norm(targets, axis=1)
    kept: list[str] = []
    residual = targets.copy()
    frame = np.empty((0, targets.shape[1]))  # orthonormal span of the kept words
    while left and np.mean(np.linalg.norm(residual, axis=1) / np.maximum(norms, 1e-12)) > e_decomp:
        names = sorted(left)
        vectors = np.stack([left[n] for n in names])
        fresh = vectors - (vectors @ frame.T) @ frame  # what a word would add to the span
        length = np.linalg.norm(fresh, axis=1)
        gain = ((residual @ fresh.T) ** 2).sum(axis=0) / np.maximum(length**2, 1e-12)
        best = int(np.argmax(np.where(length > 1e-6, gain, -1.0)))
        if length[best] <= 1e-6:
            break
        word = names[best]
        kept.append(word)
        frame = np.vstack([frame, fresh[best] / length[best]])
        residual = targets - (targets @ frame.T) @ frame
        taken = left.pop(word)
        left = {n: v for n, v in left.items() if abs(float(v @ taken)) < e_ortho}
    return kept


def distances(z: Floats, pool: Floats, metric: str) -> Floats:
    """Distance of coordinates z (words,) to each row of pool (pLLMs, words); "cosine" or "l2".

    Similarity scales the length of z, not its direction, so cosine is the default (docs/log.md).
    """
    if metric == "l2":
        return np.asarray(np.linalg.norm(pool - z, axis=1))
    return 1.0 - np.array([_unit(row) @ _unit(z) for row in pool])


def _unit(v: Floats) -> Floats:
    return np.asarray(v / max(float(np.linalg.norm(v)), 1e-12))
